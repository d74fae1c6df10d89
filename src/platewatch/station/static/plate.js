// A plate's page: photograph, map, boxes; what a person says of it, and a missed place marked by a box.

import { post, remove } from "./api.js";
import { bind } from "./keys.js";
import { say } from "./notices.js";
import { Photograph, drawingKeys } from "./photograph.js";
import { sentence } from "./words.js";

const part = (name) => document.querySelector(`[data-${name}]`);
const figure = part("photograph");
const { number, kept, boxes, marked, name } = figure.dataset;
const photograph = new Photograph(figure);
const drawn = [];
drawingKeys(photograph);
const before = JSON.parse(marked);
const show = () => photograph.show({ number: Number(number), kept: kept === "true", defects: JSON.parse(boxes).map((box) => ({ box })), marked: [...before, ...drawn], name });
show();

async function judge(judgement) {
  try {
    await post(`/inspections/${number}/reviews`, { judgement, boxes: drawn, note: part("note").value.trim() });
    location.reload();
  } catch (error) {
    say(sentence(error.message), { bad: true });
  }
}

async function undo() {
  const button = part("undo");
  if (!button) return;
  try {
    await remove(`/inspections/${number}/reviews/${button.dataset.undo}`);
    location.reload();
  } catch (error) {
    say(sentence(error.message), { bad: true });
  }
}

function mark() {
  if (photograph.drawing) return photograph.stopDrawing();
  say("Draw a box around the place. By keys: arrows move it, Shift and arrows change its size, Enter keeps it, Esc leaves it.");
  return photograph.startDrawing((box) => {
    drawn.push(box);
    show();
    say("Marked. It is kept with your answer: press D if the plate is defective.");
  });
}

document.querySelectorAll("[data-judge]").forEach((button) => button.addEventListener("click", () => judge(button.dataset.judge)));
part("undo")?.addEventListener("click", undo);
part("draw")?.addEventListener("click", mark);
bind(
  { key: "m", word: "Map", legend: true, does: () => photograph.toggle("map") },
  { key: "x", word: "Boxes", legend: true, does: () => photograph.toggle("boxes") },
);
if (part("draw")) {
  bind(
    { key: "d", word: "Defective", legend: true, does: () => judge("defective") },
    { key: "g", word: "Good after all", legend: true, does: () => judge("good") },
    { key: "c", word: "Cannot tell", legend: true, does: () => judge("unsure") },
    { key: "u", word: "Undo", legend: true, does: undo },
    { key: "b", word: "Mark a missed defect", legend: true, does: mark },
  );
}
for (const [key, label, way] of [["ArrowLeft", "←", "newer"], ["ArrowRight", "→", "older"]]) {
  const link = part(way);
  if (link) bind({ key, label, word: `${sentence(way)} plate`, legend: true, does: () => link.click() });
}
