// The cameras page: renews each camera's picture and figures every second, and judges the part in front of it.

import { get, post, root } from "./api.js";
import { element, svg } from "./elements.js";
import { nameOf, sentence, verdictText } from "./text.js";

const EVERY_MS = 1000;

const percent = (fraction) => `${(100 * fraction).toFixed(1)} %`;

/** A figure with the model's limit behind it, marked when it lies outside. */
function show(card, name, text, limit, outside) {
  const place = card.querySelector(`[data-${name}]`);
  place.replaceChildren(text);
  if (limit) place.append(element("small", {}, limit));
  place.classList.toggle("bad", outside);
}

function showFigures(card, view) {
  const limits = view.limits;
  show(card, "sharpness", view.sharpness.toFixed(1), limits && `at least ${limits.least_sharp.toFixed(1)}`, Boolean(limits && view.sharpness < limits.least_sharp));
  show(card, "brightness", view.brightness.toFixed(0), limits && `at least ${limits.darkest.toFixed(0)} of 100`, Boolean(limits && view.brightness < limits.darkest));
  show(card, "clipped", percent(view.clipped), limits && `at most ${percent(limits.most_clipped)}`, Boolean(limits && view.clipped > limits.most_clipped));
  const highest = Math.max(...view.histogram, 1e-6);
  const bars = view.histogram.map((each, at) => {
    const height = (56 * each) / highest;
    return svg("rect", { x: 10 * at + 1, y: 58 - height, width: 8, height, class: "bar-of-histogram" });
  });
  card.querySelector("[data-histogram]").replaceChildren(...bars);
}

/** The picture is replaced once it has arrived, so that it does not flicker. */
async function showPicture(card, name, number) {
  const shown = card.querySelector("[data-picture]");
  const next = new Image();
  next.src = `${root}/cameras/${encodeURIComponent(name)}/picture.jpg?n=${number}`;
  await next.decode();
  shown.src = next.src;
  shown.hidden = false;
}

async function renew(card) {
  const name = card.dataset.camera;
  const problem = card.querySelector("[data-problem]");
  try {
    const view = await get(`/cameras/${encodeURIComponent(name)}/view`);
    showFigures(card, view);
    await showPicture(card, name, view.number);
    problem.hidden = true;
  } catch (error) {
    problem.textContent = sentence(error.message ?? "the picture did not arrive");
    problem.hidden = false;
  }
  setTimeout(() => renew(card), EVERY_MS);
}

document.querySelectorAll("[data-camera]").forEach(renew);

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-judge]");
  if (!button) return;
  const card = button.closest("[data-camera]");
  const outcome = card.querySelector("[data-outcome]");
  button.disabled = true;
  outcome.textContent = "judging";
  try {
    const plate = await post(`/cameras/${encodeURIComponent(card.dataset.camera)}/trigger`);
    outcome.replaceChildren(element("a", { href: `${root}/plates/${plate.number}` }, `${verdictText(plate)}: ${nameOf(plate)}`));
  } catch (error) {
    outcome.textContent = sentence(error.message);
  }
  button.disabled = false;
});
