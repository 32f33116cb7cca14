/** The page about one photo: from what comes in to what every panel asks. */

import { showAnswer } from "./answer.js";
import { Problem } from "./api.js";
import { showCurl } from "./curl.js";
import { byId } from "./element.js";
import { askForKey } from "./key.js";
import { explainOptions, prepareExplanation, setUpExplanation, showExplanation } from "./explanation.js";
import { chosenModel, detailsOf, setUpModels } from "./models.js";
import { offers } from "./offers.js";
import { watchForPhotos } from "./picker.js";
import { prepareRobustness, robustnessOptions, setUpRobustness } from "./robustness.js";
import { hasSimilar, showSimilar } from "./similar.js";
import { showPhoto } from "./stage.js";

let offered = null;
let question = null;
let latest = new AbortController();

/** Ask everything about a photo. */
async function ask(photo) {
  latest.abort();
  latest = new AbortController();
  const { signal } = latest;
  byId("broken").hidden = true;
  document.body.classList.add("asked");
  try {
    const size = await showPhoto(photo);
    const model = chosenModel();
    const { manifest, methods } = await detailsOf(model);
    if (signal.aborted) return;
    question = { photo, size, model, manifest, methods, signal };
  } catch (error) {
    tell(error);
    return;
  }
  byId("answers").hidden = false;
  prepareExplanation(question, offered);
  prepareRobustness(question);
  showAnswer(question, chooseTarget);
  showSimilar(question, offered);
  explain();
}

function explain() {
  if (question === null) return;
  showExplanation(question);
  showLines();
}

function showLines() {
  if (question === null) return;
  const requests = [
    ["What is it?", "classify", { model: question.model }],
    ["Why?", "explain", explainOptions(question)],
  ];
  if (offered.robustness) {
    requests.push(["How easily is it fooled?", "robustness", robustnessOptions(question)]);
  }
  if (hasSimilar(question, offered)) {
    requests.push(["What is it like?", "similar", { model: question.model }]);
  }
  showCurl(question.photo, requests);
}

function chooseTarget(label) {
  byId("target").value = label;
  explain();
}

function askAgain() {
  for (const id of ["target", "against"]) byId(id).value = ""; // names of another model's classes
  if (question !== null) ask(question.photo);
}

function tell(error) {
  if (!(error instanceof Problem)) throw error;
  if (error.type === "urn:seewhy:unauthorized") askForKey();
  byId("broken").textContent = error.message;
  byId("broken").hidden = false;
}

async function start() {
  try {
    [offered] = await Promise.all([offers(), setUpModels(askAgain)]);
  } catch (error) {
    tell(error);
    return;
  }
  setUpExplanation(offered, explain);
  setUpRobustness(offered);
  for (const id of ["attack", "eps"]) byId(id).addEventListener("change", showLines);
  watchForPhotos((photo) => {
    for (const id of ["target", "against"]) byId(id).value = "";
    ask(photo);
  });
  document.documentElement.dataset.ready = "";
}

start();
