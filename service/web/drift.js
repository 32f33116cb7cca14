/** Whether what comes in has changed. */

const SMOOTHING = 0.5;
const SHIFTED = 0.25; // the field's rule of thumb
const ONE_IN_A_THOUSAND = 3.09; // of a normal distribution, in standard deviations

/** Fewer photos than this, on either side, say nothing. */
export const LEAST = 50;

/**
 * The population stability index, sum of (p - q) ln(p / q) over categories; half a photo is
 * added to each, for one that is new would make the index infinite.
 *
 * @param {number[]} now - counts by category
 * @param {number[]} before - counts of the same categories
 * @returns {number|null} null where there are too few
 */
export function stabilityIndex(now, before) {
  if (sum(now) < LEAST || sum(before) < LEAST) return null;
  const [p, q] = [shares(now), shares(before)];
  return sum(p.map((share, i) => (share - q[i]) * Math.log(share / q[i])));
}

/**
 * From where on the index is a shift: at 0.25, or where chance alone gets once in a thousand
 * times. Without a shift the index is about (1/n + 1/m) times a chi-squared of one degree less
 * than categories (Yurdakul 2018, "Statistical properties of population stability index"), whose
 * quantile is taken by Wilson and Hilferty's approximation (1931).
 */
export function shiftedFrom(now, before) {
  const degrees = now.length - 1;
  const spread = 2 / (9 * degrees);
  const quantile = degrees * (1 - spread + ONE_IN_A_THOUSAND * Math.sqrt(spread)) ** 3;
  return Math.max(SHIFTED, quantile * (1 / sum(now) + 1 / sum(before)));
}

function shares(counts) {
  const total = sum(counts) + SMOOTHING * counts.length;
  return counts.map((count) => (count + SMOOTHING) / total);
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
