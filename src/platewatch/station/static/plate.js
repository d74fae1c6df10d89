// A plate's page: photograph, map, boxes, review, and marking a missed defect by a box.

import { post, remove } from "./api.js";
import { bind } from "./keys.js";
import { Kinds } from "./kinds.js";
import { showMessage } from "./notices.js";
import { Photograph, drawingKeys } from "./photograph.js";
import { sentence } from "./text.js";

const part = (name) => document.querySelector(`[data-${name}]`);
const figure = part("photograph");
const { number, kept, readable, boxes, marked, name } = figure.dataset;
const photograph = new Photograph(figure);
const drawn = [];
drawingKeys(photograph);
const before = JSON.parse(marked);
const defects = JSON.parse(boxes).map((box) => ({ box }));
const show = () =>
  photograph.show({ number: Number(number), kept: kept === "true", judged: readable === "true", defects, marked: [...before, ...drawn], name });
show();

async function judge(judgement, kind = "") {
  try {
    await post(`/inspections/${number}/reviews`, { judgement, boxes: drawn, note: part("note").value.trim(), kind });
    location.reload();
  } catch (error) {
    showMessage(sentence(error.message), { bad: true });
  }
}

async function undo() {
  const button = part("undo");
  if (!button) return;
  try {
    await remove(`/inspections/${number}/reviews/${button.dataset.undo}`);
    location.reload();
  } catch (error) {
    showMessage(sentence(error.message), { bad: true });
  }
}

function mark() {
  if (photograph.drawing) return photograph.stopDrawing();
  showMessage("Draw a box around the defect. With keys: arrows move it, Shift and arrows resize it, Enter keeps it, Esc cancels.");
  return photograph.startDrawing((box) => {
    drawn.push(box);
    show();
    showMessage("Marked. The box is saved with your review: press D if the plate is defective.");
  });
}

if (part("kinds")) new Kinds(part("kinds"), (kind) => judge("defective", kind));
document.querySelectorAll("[data-judge]").forEach((button) => button.addEventListener("click", () => judge(button.dataset.judge)));
part("undo")?.addEventListener("click", undo);
part("draw")?.addEventListener("click", mark);
bind(
  { key: "m", text: "Map", legend: true, run: () => photograph.toggle("map") },
  { key: "x", text: "Boxes", legend: true, run: () => photograph.toggle("boxes") },
  { key: "e", text: "Good part beside it", legend: true, run: () => photograph.toggle("good") },
  { key: "+", text: "Zoom in; − zooms out, 0 shows all, Shift and arrows move", run: () => photograph.zoom.by(1.5) },
);
if (part("draw")) {
  bind(
    { key: "d", text: "Defective", legend: true, run: () => judge("defective") },
    { key: "g", text: "Good", legend: true, run: () => judge(part("good").dataset.judge) },
    { key: "c", text: "Cannot tell", legend: true, run: () => judge("unsure") },
    { key: "u", text: "Undo", legend: true, run: undo },
    { key: "b", text: "Mark a missed defect", legend: true, run: mark },
  );
}
for (const [key, label, direction] of [["ArrowLeft", "←", "newer"], ["ArrowRight", "→", "older"]]) {
  const link = part(direction);
  if (link) bind({ key, label, text: `${sentence(direction)} plate`, legend: true, run: () => link.click() });
}
