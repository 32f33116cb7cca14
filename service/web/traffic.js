/** What the kept scrapes say of requests and their time. */

import { histogramQuantile } from "./histogram.js";
import { increase } from "./history.js";

/** The quantiles of latency that are shown, by name. */
export const QUANTILES = new Map([["p50", 0.5], ["p95", 0.95], ["p99", 0.99]]);

const WINDOW = 10;
const LATENCY_WINDOW = 30;
// What the dashboard itself and monitoring ask for.
const PHOTOS = ["/classify", "/explain", "/robustness", "/similar", "/embed"];

/**
 * Requests a second, over the ten seconds before each scrape.
 *
 * @returns {Map<string, [number, number][]>} by route, those about photos
 */
export function throughput(history) {
  const series = new Map();
  const windows = history.windows(WINDOW);
  for (const route of PHOTOS) {
    const points = windows.map((window) => [
      window.end.time,
      (increase(window, "seewhy_requests_total", "route").get(route) ?? 0) / span(window),
    ]);
    if (points.some(([, rate]) => rate > 0)) series.set(route, points);
  }
  return series;
}

/**
 * Seconds within which shares of the answers came, over the half minute before each scrape.
 *
 * @returns {Map<string, [number, number|null][]>} by the names of `QUANTILES`
 */
export function latency(history) {
  const windows = history.windows(LATENCY_WINDOW).map((window) => [window.end.time, durations(window)]);
  return new Map(
    [...QUANTILES].map(([name, share]) => [
      name,
      windows.map(([time, cumulative]) => [time, histogramQuantile(share, cumulative)]),
    ]),
  );
}

/** The share of requests about photos that were not answered ok, of all that are kept; or null. */
export function failures(history) {
  const [window] = history.windows(Infinity).slice(-1);
  if (!window) return null;
  let [ok, all] = [0, 0];
  for (const route of PHOTOS) {
    for (const [outcome, count] of increase(window, "seewhy_requests_total", "outcome", { route })) {
      all += count;
      if (outcome === "ok") ok += count;
    }
  }
  return all > 0 ? (all - ok) / all : null;
}

function durations(window) {
  const cumulative = new Map();
  for (const route of PHOTOS) {
    const risen = increase(window, "seewhy_stage_seconds_bucket", "le", { route, stage: "total" });
    for (const [bound, count] of risen) {
      const upper = bound === "+Inf" ? Infinity : Number(bound);
      cumulative.set(upper, (cumulative.get(upper) ?? 0) + count);
    }
  }
  return cumulative;
}

function span({ begin, end }) {
  return end.time - begin.time;
}
