/** What every panel does while it waits for an answer, and when none comes. */

import { Problem } from "./api.js";
import { element } from "./element.js";

/**
 * Fill a panel: busy meanwhile, and where it fails, the problem in words.
 *
 * @param {HTMLElement} panel
 * @param {AbortSignal} signal - once aborted, the panel is left to whoever came after
 * @param {() => Promise<Node[]>} make - what makes the content
 */
export async function fill(panel, signal, make) {
  panel.setAttribute("aria-busy", "true");
  try {
    const content = await make();
    if (!signal.aborted) panel.replaceChildren(...content);
  } catch (error) {
    if (signal.aborted) return;
    panel.replaceChildren();
    if (!(error instanceof Problem)) throw error;
    panel.append(inWords(error));
  } finally {
    if (!signal.aborted) panel.removeAttribute("aria-busy");
  }
}

function inWords(problem) {
  // What a model has not got is no failure.
  if (problem.type === "urn:seewhy:unsupported") {
    return element("p", { class: "quiet" }, problem.message);
  }
  return element("p", { class: "problem", role: "alert" }, problem.message);
}
