/** Histograms as Prometheus has them: by upper bound, how many values lie at or below it. */

/**
 * A quantile, linear within its bucket as Prometheus' `histogram_quantile` has it.
 *
 * @param {number} share - in [0, 1]
 * @param {Map<number, number>} cumulative - counts by upper bound, the last one infinite
 * @returns {number|null} null where there is no value; the largest finite bound where the
 *   quantile lies beyond it
 */
export function histogramQuantile(share, cumulative) {
  const buckets = [...cumulative].sort(([one], [other]) => one - other);
  const total = buckets.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  const rank = share * total;
  let [lower, below] = [0, 0];
  for (const [upper, count] of buckets) {
    if (count >= rank) {
      if (upper === Infinity) return lower;
      return count === below ? upper : lower + ((upper - lower) * (rank - below)) / (count - below);
    }
    [lower, below] = [upper, count];
  }
  return lower;
}

/** How many values lie in each bucket, by its upper bound, in order. */
export function bucketCounts(cumulative) {
  let below = 0;
  const counts = new Map();
  for (const [upper, count] of [...cumulative].sort(([one], [other]) => one - other)) {
    counts.set(upper, count - below);
    below = count;
  }
  return counts;
}
