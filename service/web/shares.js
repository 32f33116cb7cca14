/** Shares as bars, now against ever: classes and confidence. */

import { element } from "./element.js";
import { percent } from "./words.js";

/**
 * Show how counts are shared out: a bar for the last minutes, a tick for all time.
 *
 * @param {HTMLElement} place
 * @param {{name: string, now: number, ever: number}[]} rows - counts
 * @param {{now: number, ever: number}} totals - of all rows, those that are not shown too
 */
export function drawShares(place, rows, totals) {
  if (totals.ever === 0) {
    place.replaceChildren(element("p", { class: "quiet" }, "No photo has been classified yet."));
    return;
  }
  const about = `Bars: the ${totals.now} photos of the last minutes. Ticks: all ${totals.ever} since the service began.`;
  place.replaceChildren(
    element("p", { class: "quiet" }, about),
    element("ul", { class: "shares" }, ...rows.map((each) => row(each, totals))),
  );
}

function row({ name, now, ever }, totals) {
  const [share, always] = [portion(now, totals.now), portion(ever, totals.ever)];
  const bar = element("span", { class: "share-now" });
  bar.style.inlineSize = `${100 * share}%`;
  const tick = element("span", { class: "share-ever" });
  tick.style.insetInlineStart = `${100 * always}%`;
  tick.hidden = ever === 0;
  return element(
    "li",
    {},
    element("span", { class: "share-name", title: name }, name),
    element("span", { class: "share-track" }, bar, tick),
    element(
      "span",
      {},
      totals.now > 0 ? percent(share) : "–",
      element("span", { class: "unseen" }, ` now, ${percent(always)} since the service began`),
    ),
  );
}

function portion(count, total) {
  return total > 0 ? count / total : 0;
}
