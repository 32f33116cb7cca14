/** How easily the answer is changed: an attack, and what it did to the photo. */

import { decoded, post } from "./api.js";
import { byId, element } from "./element.js";
import { fill } from "./outcome.js";
import { percent, shortly } from "./words.js";

// Between the three parts of the service's picture, in pixels.
const GAP = 8;
const CHANGE = 1;

let question = null;
let latest = new AbortController();

/** Offer attacks where the service has them. */
export function setUpRobustness({ robustness }) {
  byId("robustness").hidden = !robustness;
  byId("eps").addEventListener("input", showEps);
  byId("attack-form").addEventListener("submit", (event) => {
    event.preventDefault();
    attack();
  });
  showEps();
}

/** Have the next attack ask about another photo. */
export function prepareRobustness(next) {
  latest.abort();
  question = next;
  byId("attacked").replaceChildren();
  byId("attacked").removeAttribute("aria-busy");
}

/** What is asked, as options of `POST /robustness`. */
export function robustnessOptions({ model }) {
  return { model, checks: `${byId("attack").value}@linf:${byId("eps").value}/255` };
}

function attack() {
  latest.abort();
  latest = new AbortController();
  const signal = AbortSignal.any([latest.signal, question.signal]);
  const asked = { ...question, signal };
  const options = { ...robustnessOptions(question), picture: true };
  return fill(byId("attacked"), signal, async () => {
    const response = await post("robustness", asked, options);
    const answer = await response.json();
    const bitmap = await createImageBitmap(decoded(answer.picture.png, "image/png"));
    return [verdict(answer), triptych(bitmap, answer)];
  });
}

function verdict({ prediction, robustness: { verdict: found, checks: [check] } }) {
  const fooled = check.survived === false;
  const sentence = fooled
    ? `${shortly(prediction.label)} has become ${shortly(check.answer.label)}.`
    : `It is still ${shortly(check.answer.label)}.`;
  const badge = element("strong", { class: `badge ${found}` }, fooled ? "Fooled" : "Survived");
  return element("p", { class: "verdict", role: "status" }, badge, " ", sentence);
}

function triptych(bitmap, { prediction, robustness: { checks: [check] }, picture }) {
  const captions = [
    `${shortly(prediction.label)} ${percent(prediction.probability)}`,
    `amplified ${picture.amplified.toFixed(0)}×`,
    `${shortly(check.answer.label)} ${percent(check.answer.probability)}`,
  ];
  const names = ["Original", "Perturbation", "Adversarial"];
  const parts = names.map((name, place) =>
    element(
      "figure",
      {},
      element("figcaption", {}, element("strong", {}, name), captions[place]),
      part(bitmap, place, 0, name),
      ...evidence(bitmap, place, name),
    ),
  );
  return element("div", { class: "triptych" }, ...parts);
}

/** Below the crops lies what speaks for both answers, where the bundle can be explained. */
function evidence(bitmap, place, name) {
  if (bitmap.height < 1.5 * side(bitmap)) return [];
  if (place === CHANGE) return [element("p", { class: "quiet" }, "The evidence for each answer")];
  return [part(bitmap, place, 1, `${name}: the evidence for its answer`)];
}

function part(bitmap, column, row, name) {
  const length = side(bitmap);
  const canvas = element("canvas", { width: length, height: length, role: "img", "aria-label": name });
  canvas.getContext("2d").drawImage(bitmap, -column * (length + GAP), -row * (length + GAP));
  return canvas;
}

function side(bitmap) {
  return (bitmap.width - 2 * GAP) / 3;
}

function showEps() {
  byId("eps-shown").textContent = `${byId("eps").value}/255`;
}
