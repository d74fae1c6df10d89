// Models: begin a retraining, take a model into service, go back. The page itself renews what it shows.

import { post } from "./api.js";
import * as connection from "./connection.js";
import { bind } from "./keys.js";
import { say } from "./notices.js";
import { renew } from "./refresh.js";
import { sentence } from "./words.js";

async function act(does, words) {
  try {
    const answer = await does();
    say(words(answer));
  } catch (error) {
    say(sentence(error.message), { bad: true });
  }
  await renew();
}

const retrain = () => act(() => post("/models/retraining"), () => "A challenger is being trained. Plates are judged as before.");
const activate = (id) => act(() => post("/model/activate", { model_id: id }), (answer) => `Model ${answer.model_id} is in service instead of ${answer.before}.`);

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-retrain], [data-activate]");
  if (!button || button.disabled) return;
  if (button.dataset.activate) activate(button.dataset.activate);
  else retrain();
});
bind(
  { key: "r", word: "Retrain", legend: true, does: () => document.querySelector("[data-retrain]:not(:disabled)")?.click() },
  { key: "z", word: "Go back to the model before", legend: true, does: () => document.querySelector("[data-back]")?.click() },
);
connection.on("model", () => renew());
