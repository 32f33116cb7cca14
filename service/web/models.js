/** Which model answers. */

import { get } from "./api.js";
import { byId, element } from "./element.js";

const manifests = new Map();

/** Offer the models where there are several; `ask()` is called when another is chosen. */
export async function setUpModels(ask) {
  const { models } = await get("models");
  const options = models.map(({ name, default: chosen, error }) =>
    element("option", { value: name, selected: chosen, disabled: error !== null }, name),
  );
  byId("model").replaceChildren(...options);
  byId("model-field").hidden = models.length < 2;
  byId("model").addEventListener("change", ask);
}

/** The chosen model's name. */
export function chosenModel() {
  return byId("model").value;
}

/**
 * The manifest of a model's version that answers where none is named.
 *
 * @throws {Problem}
 */
export async function manifestOf(name) {
  if (!manifests.has(name)) {
    const path = `models/${encodeURIComponent(name)}`;
    const current = await get(path);
    const { serving } = current;
    const isServed = serving === null || serving === current.manifest.version;
    manifests.set(name, (isServed ? current : await get(`${path}?version=${serving}`)).manifest);
  }
  return manifests.get(name);
}
