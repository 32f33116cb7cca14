/** What this service can do, as its own description says. */

import { get } from "./api.js";

/**
 * Read the service's OpenAPI document.
 *
 * @returns {Promise<{methods: string[], against: boolean, robustness: boolean, similar: boolean}>}
 *   `methods` of explanation; whether one class can be held against another; whether the
 *   routes of the same names are there
 */
export async function offers() {
  const { paths } = await get("openapi.json");
  const options = paths["/explain"].post.parameters;
  return {
    methods: values(options.find(({ name }) => name === "method").schema),
    against: options.some(({ name }) => name === "against"),
    robustness: "/robustness" in paths,
    similar: "/similar" in paths,
  };
}

function values(schema) {
  return schema.enum ?? (schema.anyOf ?? []).flatMap(values);
}
