/** How far what comes in is from what the models learned, as the service itself measures it. */

import { select } from "./prometheus.js";

/**
 * The statistic of each model's last window of answers that is furthest beyond what undisturbed
 * windows reach.
 *
 * @param {object[]} samples - of one scrape
 * @returns {{name: string, statistic: string, value: number, threshold: number}[]} by model
 */
export function furthest(samples) {
  const found = new Map();
  for (const { labels, value } of select(samples, "seewhy_drift_statistic")) {
    const [{ value: threshold }] = select(samples, "seewhy_drift_threshold", labels);
    const name = `${labels.model} version ${labels.version}`;
    const best = found.get(name);
    if (best && best.value / best.threshold >= value / threshold) continue;
    found.set(name, { name, statistic: labels.statistic.replaceAll("_", " "), value, threshold });
  }
  return [...found.values()];
}
