/** The dashboard: a scrape every two seconds, and what the last five minutes say. */

import { Problem, text } from "./api.js";
import { drawChart } from "./chart.js";
import { LEAST, shiftedFrom, stabilityIndex } from "./drift.js";
import { byId, element } from "./element.js";
import { History } from "./history.js";
import { classes, commonest, confidence, totals } from "./population.js";
import { parse } from "./prometheus.js";
import { furthest } from "./reference.js";
import { drawShares } from "./shares.js";
import { failures, latency, throughput } from "./traffic.js";
import { duration, percent, significant } from "./words.js";

const EVERY = 2;
const KEPT = 300;
const CLASSES = 10;

const history = new History(KEPT);

async function look() {
  const wait = new Promise((resolve) => setTimeout(resolve, 1000 * EVERY));
  // A page that nobody sees asks nothing.
  if (!document.hidden) await scrape();
  await wait;
  look();
}

async function scrape() {
  const broken = byId("broken");
  try {
    const samples = parse(await text("metrics"));
    history.add(performance.now() / 1000, samples);
    broken.hidden = true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    broken.textContent = error.message;
    broken.hidden = false;
    return;
  }
  drawTraffic();
  drawPopulation();
  document.documentElement.dataset.ready = "";
}

function drawTraffic() {
  const range = { now: history.scrapes.at(-1).time, seconds: KEPT };
  const [rates, times, failed] = [throughput(history), latency(history), failures(history)];
  drawChart(byId("throughput"), rates, { ...range, format: significant });
  drawChart(byId("latency"), times, { ...range, format: duration });
  const all = [...rates.values()].reduce((sum, points) => sum + points.at(-1)[1], 0);
  byId("rate").textContent = significant(all);
  for (const name of ["p50", "p99"]) byId(name).textContent = shown(times.get(name).at(-1)?.[1], duration);
  byId("failed").textContent = shown(failed, percent);
}

function drawPopulation() {
  const [kinds, sureness] = [classes(history), confidence(history)];
  drawShares(byId("classes"), kinds.slice(0, CLASSES), totals(kinds));
  drawShares(byId("confidence"), sureness, totals(sureness));
  drawDrift([["Classes", commonest(kinds, CLASSES)], ["Confidence", sureness]]);
}

function drawDrift(populations) {
  const rows = populations.map(([name, counted]) => {
    const now = counted.map((each) => each.now);
    const before = counted.map((each) => each.ever - each.now);
    return element("li", {}, name, ...verdict(now, before));
  });
  const models = furthest(history.scrapes.at(-1).samples).map(({ name, statistic, value, threshold }) =>
    element("li", {}, `${name}: ${statistic}`, badge(value, value > threshold)),
  );
  byId("drift").replaceChildren(
    ...listed("The last minutes against all before, by the population stability index.", rows),
    ...(models.length ? listed("Each model's last window of answers against what it learned.", models) : []),
  );
}

function listed(about, rows) {
  return [element("p", { class: "quiet" }, about), element("ul", { class: "drifts" }, ...rows)];
}

function verdict(now, before) {
  const index = stabilityIndex(now, before);
  if (index === null) return [element("span", { class: "quiet" }, `needs ${LEAST} photos now and before`)];
  return [badge(index, index >= shiftedFrom(now, before))];
}

function badge(value, moved) {
  const words = `${value.toFixed(2)}, ${moved ? "shifted" : "steady"}`;
  return element("strong", { class: moved ? "badge moved" : "badge" }, words);
}

function shown(value, format) {
  return value === null || value === undefined ? "–" : format(value);
}

look();
