/** How a photo comes in: dropped, pasted, picked, or a sample. */

import { byId } from "./element.js";

/** Hand every photo that comes in to `take(file)`. */
export function watchForPhotos(take) {
  const chosen = byId("file");
  chosen.addEventListener("change", () => {
    takeFirst(chosen.files, take);
    chosen.value = ""; // so that the same file can be picked again
  });
  document.addEventListener("paste", (event) => takeFirst(event.clipboardData.files, take));
  watchForDrops(take);
  for (const button of document.querySelectorAll("[data-sample]")) {
    button.addEventListener("click", async () => take(await sample(button.dataset.sample)));
  }
}

function watchForDrops(take) {
  const over = document.documentElement.classList;
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // else the browser opens the file
    over.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) over.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    over.remove("dropping");
    takeFirst(event.dataTransfer.files, take);
  });
}

function takeFirst(files, take) {
  if (files.length > 0) take(files[0]);
}

async function sample(name) {
  const response = await fetch(`web/samples/${name}`);
  return new File([await response.blob()], name, { type: "image/jpeg" });
}
