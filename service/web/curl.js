/** The page's requests as lines for a terminal. */

import { address } from "./api.js";
import { byId, element } from "./element.js";
import { hasKey } from "./key.js";

/**
 * Show requests as lines to copy.
 *
 * @param {File} photo
 * @param {[string, string, object][]} requests - what it is about, the route, its options
 */
export function showCurl(photo, requests) {
  byId("curl").replaceChildren(...requests.map(([what, route, options]) => block(what, line(photo, route, options))));
}

/** One request about a photo as a line of a POSIX shell. */
export function line(photo, route, options) {
  const url = new URL(address(route, options), document.baseURI).href;
  const type = photo.type || "application/octet-stream";
  // The key itself stays out of screenshots and shell histories.
  const key = hasKey() ? ' -H "Authorization: Bearer $SEEWHY_API_KEY"' : "";
  return `curl -s${key} -H 'Content-Type: ${type}' --data-binary ${quoted(`@${photo.name}`)} ${quoted(url)}`;
}

function quoted(word) {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function block(what, command) {
  const code = element("code", {}, command);
  const button = element("button", { type: "button", "aria-label": `Copy: ${what}` }, "Copy");
  button.addEventListener("click", () => copy(command, code, button));
  return element(
    "div",
    { class: "command" },
    element("span", { class: "command-name" }, what),
    button,
    element("pre", {}, code),
  );
}

async function copy(command, code, button) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(command);
    button.textContent = "Copied";
  } else {
    // Without HTTPS, browsers give a page no clipboard: select it for the person to copy.
    getSelection().selectAllChildren(code);
    button.textContent = "Selected";
  }
  byId("announcement").textContent = button.textContent;
}
