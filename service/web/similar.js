/** The training images that are most like the photo. */

import { decoded, post } from "./api.js";
import { byId, element } from "./element.js";
import { fill } from "./outcome.js";
import { shortly } from "./words.js";

// What the model has learned from, in its bundle.
const INDEX = "reference.npz";

/** Whether the service can look for similar images, and the model knows any. */
export function hasSimilar({ manifest }, { similar }) {
  return similar && INDEX in manifest.sha256;
}

/** Look for similar images where there may be some. */
export function showSimilar(question, offered) {
  const possible = hasSimilar(question, offered);
  byId("similar").hidden = !possible;
  if (!possible) return undefined;
  return fill(byId("neighbours"), question.signal, async () => {
    const response = await post("similar", question, { model: question.model });
    const { neighbours } = await response.json();
    return [
      element("p", { class: "quiet" }, "The training images nearest to it; 0 would be the same."),
      element("ol", { class: "neighbours" }, ...neighbours.map(row)),
    ];
  });
}

function row({ id, label, distance, thumbnail }) {
  return element(
    "li",
    {},
    ...(thumbnail === undefined ? [] : [picture(thumbnail, id)]),
    element("strong", {}, shortly(label)),
    element("span", { class: "id" }, id),
    element("span", { class: "distance" }, distance.toFixed(2)),
  );
}

function picture(thumbnail, id) {
  // The page's policy lets no `data:` address in.
  const address = URL.createObjectURL(decoded(thumbnail, "image/jpeg"));
  const shown = element("img", { src: address, alt: `What the model saw of ${id}` });
  shown.addEventListener("load", () => URL.revokeObjectURL(address), { once: true });
  return shown;
}
