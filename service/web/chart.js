/** Line charts of the last minutes, as plain SVG. */

import { element, shape } from "./element.js";

const HEIGHT = 180;
const LEFT = 52;
const BOTTOM = 22;
const STEPS = [1, 2, 2.5, 5, 10];
const LINES = 4;

/**
 * Draw series over time.
 *
 * @param {HTMLElement} place - what the chart replaces the content of
 * @param {Map<string, [number, number|null][]>} series - by name: time in seconds, and value
 *   from 0 on; null where there is none
 * @param {{now: number, seconds: number, format: (value: number) => string}} options
 */
export function drawChart(place, series, { now, seconds, format }) {
  const values = [...series.values()].flat().map(([, value]) => value ?? 0);
  const top = ceiling(Math.max(...values, 0));
  const width = place.clientWidth; // one unit a pixel, so that text keeps its size
  const x = (time) => LEFT + (width - LEFT) * (1 - (now - time) / seconds);
  const y = (value) => (HEIGHT - BOTTOM) * (1 - value / top);
  const drawing = shape(
    "svg",
    { viewBox: `0 -8 ${width} ${HEIGHT + 8}`, role: "img", "aria-label": spoken(series, format) },
    ...grid(width, top, y, format),
    ...times(width, seconds),
    ...[...series.values()].map((points, i) => curve(points, i, x, y)),
  );
  place.replaceChildren(drawing, legend(series, format));
}

/** The next number above whose quarters are easily read; 1 where there is nothing. */
export function ceiling(value) {
  if (value <= 0) return 1;
  const step = value / LINES;
  const power = 10 ** Math.floor(Math.log10(step));
  return LINES * power * STEPS.find((each) => each * power >= step * (1 - 1e-9));
}

function grid(width, top, y, format) {
  return Array.from({ length: LINES + 1 }, (_, i) => (top * i) / LINES).flatMap((value) => [
    shape("line", { class: "grid", x1: LEFT, x2: width, y1: y(value), y2: y(value) }),
    text(LEFT - 8, y(value) + 4, "end", format(value)),
  ]);
}

function times(width, seconds) {
  return [
    text(LEFT, HEIGHT - 4, "start", `${seconds / 60} minutes ago`),
    text(width, HEIGHT - 4, "end", "now"),
  ];
}

function text(x, y, anchor, content) {
  return shape("text", { class: "tick", x, y, "text-anchor": anchor }, content);
}

function curve(points, number, x, y) {
  let pen = "M";
  const path = [];
  for (const [time, value] of points) {
    if (value === null) {
      pen = "M"; // a gap
    } else {
      path.push(`${pen}${x(time).toFixed(1)} ${y(value).toFixed(1)}`);
      pen = "L";
    }
  }
  return shape("path", { class: `series ${colour(number)}`, d: path.join("") });
}

function legend(series, format) {
  const entries = [...series].map(([name, points], i) => {
    const line = shape("line", { class: colour(i), x1: 0, x2: 18, y1: 2, y2: 2 });
    const key = shape("svg", { viewBox: "0 0 18 4", "aria-hidden": "true" }, line);
    return element("li", {}, key, name, element("strong", {}, shown(points, format)));
  });
  return element("ul", { class: "legend" }, ...entries);
}

function spoken(series, format) {
  const parts = [...series].map(([name, points]) => `${name} ${shown(points, format)}`);
  return parts.length ? `Now: ${parts.join(", ")}` : "Nothing yet";
}

function shown(points, format) {
  const value = points.at(-1)?.[1] ?? null;
  return value === null ? "–" : format(value);
}

function colour(number) {
  return `series-${(number % 4) + 1}`;
}
