/** What the kept scrapes say of the photos: their classes, and how sure the answers are. */

import { bucketCounts } from "./histogram.js";
import { increase } from "./history.js";
import { select, sumBy } from "./prometheus.js";
import { percent, shortly } from "./words.js";

/**
 * How many photos of each class came, over the kept minutes and since the service began.
 *
 * @returns {{name: string, now: number, ever: number}[]} the commonest first
 */
export function classes(history) {
  const name = "seewhy_predictions_total";
  return counts(history, name, "label")
    .map(({ key, ...counted }) => ({ name: shortly(key), ...counted }))
    .sort((one, other) => other.now - one.now || other.ever - one.ever);
}

/**
 * How many answers had a top probability in each tenth.
 *
 * @returns {{name: string, now: number, ever: number}[]} the surest first
 */
export function confidence(history) {
  const cumulative = counts(history, "seewhy_confidence_ratio_bucket", "le");
  const bounds = cumulative.map(({ key }) => (key === "+Inf" ? Infinity : Number(key)));
  const [now, ever] = ["now", "ever"].map((time) =>
    bucketCounts(new Map(cumulative.map((each, i) => [bounds[i], each[time]]))),
  );
  const uppers = [...ever.keys()].filter((upper) => upper !== Infinity);
  return uppers
    .map((upper, i) => ({ name: range(uppers[i - 1] ?? 0, upper), now: now.get(upper), ever: ever.get(upper) }))
    .reverse();
}

/** The rows that are commonest of all time, and one for all the others: many small ones are noise. */
export function commonest(rows, count) {
  const sorted = rows.toSorted((one, other) => other.ever - one.ever);
  return [...sorted.slice(0, count), { name: "others", ...totals(sorted.slice(count)) }];
}

/** All counts added up, for `drawShares`. */
export function totals(rows) {
  const add = (time) => rows.reduce((sum, row) => sum + row[time], 0);
  return { now: add("now"), ever: add("ever") };
}

function counts(history, name, label) {
  const latest = history.scrapes.at(-1).samples;
  const [window] = history.windows(Infinity).slice(-1);
  const risen = window ? increase(window, name, label) : new Map();
  const ever = sumBy(select(latest, name), label);
  return [...ever].map(([key, count]) => ({ key, now: risen.get(key) ?? 0, ever: count }));
}

function range(lower, upper) {
  return `${(100 * lower).toFixed(0)} to ${percent(upper)}`;
}
