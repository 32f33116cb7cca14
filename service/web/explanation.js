/** Why the model sees it: the heat map over the photo. */

import { post } from "./api.js";
import { cropBox } from "./crop.js";
import { byId, element } from "./element.js";
import { drawHeat, drawScale } from "./heatmap.js";
import { fill } from "./outcome.js";
import { methodName, percent, shortly } from "./words.js";

let latest = new AbortController();

/** Offer the methods; `ask()` is called when another method or class is chosen. */
export function setUpExplanation({ methods, against }, ask) {
  const own = element("option", { value: "" }, "The model's own");
  const others = methods.map((method) => element("option", { value: method }, methodName(method)));
  byId("method").replaceChildren(own, ...others);
  byId("against-field").hidden = !against;
  drawScale(byId("scale"));
  for (const id of ["method", "target", "against"]) byId(id).addEventListener("change", ask);
  byId("why-form").addEventListener("submit", (event) => event.preventDefault());
  byId("opacity").addEventListener("input", applyOpacity);
  applyOpacity();
}

/** Let classes be chosen by these names. */
export function offerLabels(labels) {
  const options = labels.map((label) => element("option", { value: label }));
  byId("labels").replaceChildren(...options);
}

/** What is asked, as options of `POST /explain`. */
export function explainOptions({ model }) {
  return {
    model,
    method: byId("method").value,
    target: byId("target").value.trim(),
    against: byId("against").value.trim(),
  };
}

/**
 * Explain a photo, and draw the map over it.
 *
 * @param {{photo: File, model: string, manifest: object, size: ([number, number]|null),
 *   signal: AbortSignal}} question
 */
export function showExplanation(question) {
  latest.abort();
  latest = new AbortController();
  const signal = AbortSignal.any([latest.signal, question.signal]);
  byId("frame").setAttribute("aria-busy", "true");
  return fill(byId("explained"), signal, async () => {
    try {
      const options = explainOptions(question);
      const response = await post("explain", { ...question, signal }, options);
      const { explanation } = await response.json();
      if (!signal.aborted) draw(explanation.map, question);
      return describe(explanation);
    } catch (error) {
      if (!signal.aborted) showHeat(false); // it would answer another question
      throw error;
    } finally {
      if (!signal.aborted) byId("frame").removeAttribute("aria-busy");
    }
  });
}

function draw({ data }, { size, manifest }) {
  showHeat(size !== null);
  if (size !== null) drawHeat(byId("heat"), data, size, cropBox(size, manifest.preprocessing));
}

function showHeat(shown) {
  byId("heat").hidden = !shown;
  byId("over").hidden = !shown;
}

function describe({ method, target, against, passes, note }) {
  const rather = against ? ` rather than ${shortly(against.label)}` : "";
  const what = element(
    "p",
    {},
    "The bright parts speak for ",
    element("strong", {}, shortly(target.label)),
    ` (${percent(target.probability)})${rather}.`,
  );
  const took = passes === 0 ? "no further pass" : `${passes} ${passes === 1 ? "pass" : "passes"}`;
  const how = `${methodName(method)}, ${took}; the dark frame is what the model does not see`;
  const notes = note ? [element("p", { class: "note" }, note)] : [];
  return [what, ...notes, element("p", { class: "quiet" }, how)];
}

function applyOpacity() {
  byId("heat").style.opacity = byId("opacity").value / 100;
}
