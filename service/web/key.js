/** The API key, where the service wants one; kept until the tab is closed. */

import { byId } from "./element.js";

const PLACE = "seewhy-api-key";

/** Whether a key was given. */
export function hasKey() {
  return sessionStorage.getItem(PLACE) !== null;
}

/** The header that a request has to bring: none without a key. */
export function bearer() {
  return hasKey() ? { Authorization: `Bearer ${sessionStorage.getItem(PLACE)}` } : {};
}

/** Ask for a key, and begin again with it. */
export function askForKey() {
  byId("key-form").hidden = false;
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(PLACE, byId("key").value);
    location.reload();
  });
}
