// The models page: retrain, use a model, go back. The page refreshes itself.

import { may, post } from "./api.js";
import * as connection from "./connection.js";
import { bind } from "./keys.js";
import { ask } from "./questions.js";
import { showMessage } from "./notices.js";
import { refresh } from "./refresh.js";
import { sentence } from "./text.js";

async function act(run, textOf) {
  try {
    showMessage(textOf(await run()));
  } catch (error) {
    showMessage(sentence(error.message), { bad: true });
  }
  await refresh();
}

const of = () => document.querySelector("[data-of]").dataset.of; // the part type
const retrain = () => act(() => post(`/models/retraining?part_type=${encodeURIComponent(of())}`), () => "A candidate is being trained. The model in service goes on judging plates.");
const activate = (id) =>
  act(() => post("/model/activate", { model_id: id, part_type: of(), reason: document.querySelector(`[data-reason="${id}"]`)?.value.trim() ?? "" }), ({ model_id: now, before }) => `Model ${now} is in service instead of ${before}.`);

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-start-retraining], [data-activate], [data-post]");
  if (!button || button.disabled) return;
  if (button.dataset.activate) activate(button.dataset.activate);
  else if (button.dataset.post) act(() => post(button.dataset.post), () => "The training is cancelled.");
  else retrain();
});
if (may("model")) {
  bind(
    { key: "r", text: "Retrain", legend: true, run: () => ask("[data-retrain]") },
    { key: "z", text: "Go back to the previous model", legend: true, run: () => ask("[data-back]") },
  );
}
connection.on("model", () => refresh());
