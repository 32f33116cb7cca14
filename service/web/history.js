/** The scrapes of the last minutes, and what happened between them. */

import { select } from "./prometheus.js";

/** Scrapes in order; those too old are dropped, and all of them where the service restarted. */
export class History {
  /** @param {number} seconds - how long scrapes are kept */
  constructor(seconds) {
    this.seconds = seconds;
    this.scrapes = [];
  }

  /**
   * Keep a scrape.
   *
   * @param {number} time - in seconds
   * @param {object[]} samples - from `parse`
   */
  add(time, samples) {
    const last = this.scrapes.at(-1);
    if (last && started(samples) !== started(last.samples)) this.scrapes = [];
    this.scrapes.push({ time, samples });
    while (this.scrapes[0].time < time - this.seconds) this.scrapes.shift();
  }

  /** The scrapes in which a window of so many seconds ends, each with the one where it began. */
  windows(seconds) {
    return this.scrapes.slice(1).map((end, place) => {
      const earlier = this.scrapes.slice(0, place + 1);
      return { end, begin: earlier.find(({ time }) => time >= end.time - seconds) ?? earlier.at(-1) };
    });
  }
}

/**
 * How much counters rose between two scrapes, added up by one of their labels.
 *
 * @returns {Map<string, number>}
 */
export function increase({ begin, end }, name, label, wanted = {}) {
  const risen = new Map();
  const add = (samples, sign) => {
    for (const each of select(samples, name, wanted)) {
      risen.set(each.labels[label], (risen.get(each.labels[label]) ?? 0) + sign * each.value);
    }
  };
  add(end.samples, 1);
  add(begin.samples, -1);
  return risen;
}

function started(samples) {
  return select(samples, "process_start_time_seconds")[0]?.value;
}
