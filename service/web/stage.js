/** The photo on the page. */

import { byId } from "./element.js";

let shown = null;

/**
 * Show a photo instead of the one before.
 *
 * @param {File} file
 * @returns {Promise<[number, number]|null>} its width and height, upright; null where the
 *   browser cannot draw this format, which says nothing about the service
 */
export async function showPhoto(file) {
  if (shown !== null) URL.revokeObjectURL(shown);
  shown = URL.createObjectURL(file);
  const photo = byId("photo");
  byId("drop").hidden = true;
  byId("seen").hidden = false;
  byId("heat").hidden = true;
  byId("name").textContent = file.name;
  photo.alt = `The photo ${file.name}`;
  photo.src = shown;
  try {
    await photo.decode();
  } catch {
    byId("frame").classList.add("undrawable");
    photo.alt = `${file.name}: this browser cannot show it`;
    return null;
  }
  byId("frame").classList.remove("undrawable");
  byId("frame").style.setProperty("--aspect", photo.naturalWidth / photo.naturalHeight);
  return [photo.naturalWidth, photo.naturalHeight];
}
