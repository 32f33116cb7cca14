/** What this service can do, as its own description says. */

import { get } from "./api.js";

/**
 * Read the service's OpenAPI document.
 *
 * @returns {Promise<{options: Object<string, object>, robustness: boolean, similar: boolean}>}
 *   the JSON schemas of the `options` of `POST /explain`; whether the routes of the same names
 *   are there
 */
export async function offers() {
  const { paths } = await get("openapi.json");
  const options = paths["/explain"].post.parameters.map(({ name, schema }) => [name, schema]);
  return {
    options: Object.fromEntries(options),
    robustness: "/robustness" in paths,
    similar: "/similar" in paths,
  };
}
