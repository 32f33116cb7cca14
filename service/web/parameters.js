/** The parameters of an explanation's method, as fields of a form. */

import { element } from "./element.js";
import { capitalized, parameterName } from "./words.js";

/**
 * Show a field for each parameter, with its default in it.
 *
 * @param {HTMLElement} place - what the fields replace the content of
 * @param {string[]} names - the parameters that the method takes
 * @param {Object<string, object>} schemas - JSON schemas by name, as OpenAPI has them
 */
export function showParameters(place, names, schemas) {
  place.hidden = names.length === 0;
  place.replaceChildren(...names.map((name) => field(name, schemas[name])));
}

/** The values that are not the defaults, by parameter. */
export function changedParameters(place) {
  const changed = [...place.querySelectorAll("[name]")].filter(isChanged);
  return Object.fromEntries(changed.map((input) => [input.name, valueOf(input)]));
}

function field(name, schema) {
  if (schema.type === "boolean") {
    const box = element("input", { type: "checkbox", name, checked: schema.default });
    return element("label", { class: "check" }, box, parameterName(name));
  }
  const input = schema.enum ? choice(name, schema) : number(name, schema);
  return element("label", { class: "field" }, parameterName(name), input);
}

function choice(name, schema) {
  const options = schema.enum.map((value) =>
    element("option", { value, selected: value === schema.default }, capitalized(value)),
  );
  return element("select", { name }, ...options);
}

function number(name, schema) {
  return element("input", {
    type: "number",
    name,
    value: schema.default,
    min: schema.minimum ?? schema.exclusiveMinimum,
    max: schema.maximum ?? schema.exclusiveMaximum,
    step: schema.type === "integer" ? 1 : 0.05,
    required: true,
  });
}

function isChanged(input) {
  if (input.type === "checkbox") return input.checked !== input.defaultChecked;
  if (input.type === "number") return input.value !== input.defaultValue;
  return !input.selectedOptions[0].defaultSelected;
}

function valueOf(input) {
  return input.type === "checkbox" ? input.checked : input.value;
}
