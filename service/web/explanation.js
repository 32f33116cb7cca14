/** Why the model sees it: the heat map over the photo. */

import { post } from "./api.js";
import { cropBox } from "./crop.js";
import { byId, element } from "./element.js";
import { drawHeat, drawScale } from "./heatmap.js";
import { fill } from "./outcome.js";
import { changedParameters, showParameters } from "./parameters.js";
import { methodName, percent, shortly } from "./words.js";

let latest = new AbortController();
let prepared = null;

/** `ask()` is called when another method, parameter or class is chosen. */
export function setUpExplanation({ options }, ask) {
  byId("against-field").hidden = !("against" in options);
  byId("why-form").addEventListener("change", ask);
  byId("why-form").addEventListener("submit", (event) => event.preventDefault());
  byId("opacity").addEventListener("input", applyOpacity);
  applyOpacity();
}

/** Offer the methods and classes of the model that is asked, and the parameters of a method. */
export function prepareExplanation({ manifest, methods }, { options }) {
  if (manifest === prepared) return; // what was chosen is kept for the next photo
  prepared = manifest;
  const classes = manifest.labels.map((label) => element("option", { value: label }));
  byId("labels").replaceChildren(...classes);
  const chosen = byId("method").value;
  offerMethods(Object.keys(methods), manifest.default_explanation);
  if (chosen in methods) byId("method").value = chosen;
  const offerParameters = () => {
    const method = byId("method").value || manifest.default_explanation;
    showParameters(byId("parameters"), methods[method] ?? [], options);
  };
  byId("method").onchange = offerParameters;
  offerParameters();
}

function offerMethods(methods, own) {
  const named = methods.map((method) => element("option", { value: method }, methodName(method)));
  if (own !== null) named.unshift(element("option", { value: "" }, `The model's own, ${methodName(own)}`));
  byId("method").replaceChildren(...named);
}

/** What is asked, as options of `POST /explain`. */
export function explainOptions({ model }) {
  return {
    model,
    method: byId("method").value,
    target: byId("target").value.trim(),
    against: byId("against").value.trim(),
    ...changedParameters(byId("parameters")),
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
      return describe(explanation, question);
    } catch (error) {
      if (!signal.aborted) showHeat(false); // it would answer another question
      throw error;
    } finally {
      if (!signal.aborted) byId("frame").removeAttribute("aria-busy");
    }
  });
}

function draw({ data, min }, { size, manifest }) {
  showHeat(size !== null);
  if (size === null) return;
  drawHeat(byId("heat"), data, size, cropBox(size, manifest.preprocessing));
  drawScale(byId("scale"), { signed: min < 0 });
  [byId("least").textContent, byId("most").textContent] = min < 0 ? ["against", "for"] : ["no evidence", "much"];
}

function showHeat(shown) {
  byId("heat").hidden = !shown;
  byId("over").hidden = !shown;
}

function describe({ method, target, against, map, passes, completeness_gap: gap, note }, { size }) {
  const rather = against ? ` rather than ${shortly(against.label)}` : "";
  const what = element(
    "p",
    {},
    map.min < 0 ? "The warm parts speak for " : "The bright parts speak for ",
    element("strong", {}, shortly(target.label)),
    ` (${percent(target.probability)})${rather}${map.min < 0 ? ", the cold ones against it" : ""}.`,
  );
  const took = passes === 0 ? "no further pass" : `${passes} ${passes === 1 ? "pass" : "passes"}`;
  const how = [
    `${methodName(method)}, ${took}`,
    ...(gap === null ? [] : [`its sum misses the score by ${percent(gap)}`]),
    "the dark frame is what the model does not see",
  ];
  const notes = [note, size === null && "The map is not drawn, for this browser cannot show the photo."]
    .filter(Boolean)
    .map((words) => element("p", { class: "note" }, words));
  return [what, ...notes, element("p", { class: "quiet" }, how.join("; "))];
}

function applyOpacity() {
  byId("heat").style.opacity = byId("opacity").value / 100;
}
