/** Which model answers. */

import { get } from "./api.js";
import { byId, element } from "./element.js";

const described = new Map();

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
 * What the service says of a model's version that answers where none is named.
 *
 * @returns {Promise<{manifest: object, methods: Object<string, string[]>}>} `methods` of
 *   explanation, with the parameters that each takes
 * @throws {Problem}
 */
export async function detailsOf(name) {
  if (!described.has(name)) {
    const path = `models/${encodeURIComponent(name)}`;
    const current = await get(path);
    const { serving } = current;
    const isServed = serving === null || serving === current.manifest.version;
    described.set(name, isServed ? current : await get(`${path}?version=${serving}`));
  }
  return described.get(name);
}
