/** What the photo shows, and how far to trust that. */

import { post } from "./api.js";
import { byId, element } from "./element.js";
import { fill } from "./outcome.js";
import { percent, shortly, synonyms } from "./words.js";

const VERDICTS = { accept: "Accept", review: "Have a look" };

/**
 * Classify a photo and show the answer.
 *
 * @param {{photo: File, model: string, signal: AbortSignal}} question
 * @param {(label: string) => void} choose - called with a class that is clicked
 */
export function showAnswer(question, choose) {
  return fill(byId("answer"), question.signal, async () => {
    const response = await post("classify", question, { model: question.model });
    const answer = await response.json();
    const [top] = answer.predictions;
    byId("announcement").textContent = `${shortly(top.label)}, ${percent(top.probability)}`;
    return [...decision(answer), ranking(answer, choose), ...set(answer), trust(answer)];
  });
}

function ranking({ predictions }, choose) {
  const rows = predictions.map((each) => element("li", {}, row(each, choose)));
  return element("ol", { class: "ranking" }, ...rows);
}

function row({ label, probability }, choose) {
  const [name, ...others] = synonyms(label);
  const bar = element("span", { class: "bar-fill" });
  bar.style.inlineSize = `${100 * probability}%`;
  const made = element(
    "button",
    { type: "button", class: "row", title: `Why ${name}?` },
    element("span", { class: "row-name" }, name, " ", element("small", {}, others.join(", "))),
    element("span", { class: "row-share" }, percent(probability)),
    element("span", { class: "bar-track" }, bar),
  );
  made.addEventListener("click", () => choose(label));
  return made;
}

function decision({ decision: verdict, reason }) {
  if (!verdict) return [];
  const badge = element("strong", { class: `badge ${verdict}` }, VERDICTS[verdict] ?? verdict);
  return [element("p", { class: "verdict" }, badge, " ", reason ?? "")];
}

function set({ prediction_set: members, coverage }) {
  if (!members) return [];
  const names = members.map(({ label }) => element("li", {}, shortly(label)));
  const often = coverage ? `Such sets hold the true class in ${percent(coverage)} of cases` : "Cannot be ruled out";
  return [
    element(
      "div",
      { class: "set" },
      element("p", {}, names.length ? `${often}:` : `${often}; for that, surer answers than this one suffice.`),
      element("ul", { class: "chips" }, ...names),
    ),
  ];
}

function trust({ calibrated, ood, timings_ms: timings, model }) {
  const facts = [
    `${model.name} ${model.version}`,
    calibrated ? "calibrated probabilities" : "not calibrated: take the shares as an order, not as chances",
    `${timings.total.toFixed(0)} ms`,
  ];
  if (ood) facts.splice(2, 0, `more unusual than ${ood.percentile.toFixed(0)}% of known photos`);
  return element("p", { class: "quiet" }, facts.join(" · "));
}
