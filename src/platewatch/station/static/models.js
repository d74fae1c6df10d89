// The models page: retrain, use a model, go back. The page refreshes itself.

import { post } from "./api.js";
import * as connection from "./connection.js";
import { bind } from "./keys.js";
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

const retrain = () => act(() => post("/models/retraining"), () => "A candidate is being trained. The model in service goes on judging plates.");
const activate = (id) =>
  act(() => post("/model/activate", { model_id: id }), ({ model_id: now, before }) => `Model ${now} is in service instead of ${before}.`);

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-retrain], [data-activate]");
  if (!button || button.disabled) return;
  if (button.dataset.activate) activate(button.dataset.activate);
  else retrain();
});
bind(
  { key: "r", text: "Retrain", legend: true, run: () => document.querySelector("[data-retrain]:not(:disabled)")?.click() },
  { key: "z", text: "Go back to the previous model", legend: true, run: () => document.querySelector("[data-back]")?.click() },
);
connection.on("model", () => refresh());
