// The review queue: one key for each judgement, undo, arrows; a missed defect is marked by a box.

import { get, ownStation, post, remove } from "./api.js";
import * as connection from "./connection.js";
import { chip, pairs } from "./elements.js";
import { bind } from "./keys.js";
import { showMessage } from "./notices.js";
import { Photograph, drawingKeys } from "./photograph.js";
import { nameOf, sentence, stamp, why } from "./text.js";

const AHEAD = 5; // with fewer plates left, the next page is requested
const JUDGEMENTS = { defective: "defective", good: "good", unsure: "cannot tell", unusable: "part good, photograph not" };
const GOOD = { good: "Good", unusable: "The part is good, the photograph is not" }; // the second for a plate without a score
const part = (name) => document.querySelector(`[data-${name}]`);
const photograph = new Photograph(part("photograph"));
drawingKeys(photograph);
let queue = [];
let next = null; // where the next page starts
let position = 0; // in the queue
let marked = []; // boxes drawn on the plate that is shown
const reviewed = []; // { entry, review }, for undo
let busy = false;
const mayReview = part("undo") !== null; // an auditor may not

const current = () => queue[position];

async function load() {
  const page = await get(`/queue?limit=50${ownStation}`);
  const kept = current()?.number;
  if (page.next !== null && position >= page.inspections.length) return; // beyond the first page: keep the order
  queue = page.inspections;
  next = page.next;
  position = Math.max(0, queue.findIndex((entry) => entry.number === kept));
  if (current()?.number !== kept) marked = []; // somebody else reviewed the plate that was shown
  draw();
}

async function more() {
  if (next === null || queue.length - position > AHEAD) return;
  const page = await get(`/queue?limit=50&before=${encodeURIComponent(next)}`);
  next = page.next;
  queue.push(...page.inspections.filter((entry) => !queue.some((other) => other.number === entry.number)));
  drawPosition();
}

function draw() {
  const entry = current();
  part("desk").hidden = !entry;
  part("empty").hidden = Boolean(entry);
  if (mayReview) part("undo").disabled = reviewed.length === 0;
  if (!entry) return;
  const { number, photograph_kept: kept, defects } = entry;
  photograph.show({ number, kept, judged: entry.verdict !== null, defects, marked, name: nameOf(entry) });
  part("chip").replaceChildren(chip(entry));
  part("reason").textContent = sentence(why(entry)) + (entry.sampled ? ". It passed and was chosen at random, to find missed defects." : ".");
  if (mayReview) {
    part("good").dataset.judge = entry.score === null ? "unusable" : "good";
    part("good-word").textContent = GOOD[part("good").dataset.judge];
  }
  const score = entry.score === null ? "no score" : `${entry.score.toFixed(2)} (REJECT above ${entry.threshold.toFixed(2)})`;
  const p = entry.p_value === null ? "–" : entry.p_value.toFixed(3);
  pairs(part("facts"), { Plate: nameOf(entry), Received: stamp(entry.received), Score: score, "p-value": p });
  drawPosition();
}

function drawPosition() {
  part("position").textContent = queue.length ? `${position + 1} of ${queue.length}${next === null ? "" : "+"} waiting` : "";
}

function step(by) {
  if (!queue[position + by]) return;
  position += by;
  marked = [];
  draw();
  more().catch(() => {});
}

async function judge(judgement) {
  const entry = current();
  if (!entry || busy) return; // a key pressed before the next plate is shown is ignored
  busy = true;
  try {
    const note = part("note").value.trim();
    const review = await post(`/inspections/${entry.number}/reviews`, { judgement, boxes: marked, note });
    reviewed.push({ entry, review });
    queue = queue.filter((other) => other.number !== entry.number);
    position = Math.min(position, Math.max(0, queue.length - 1));
    marked = [];
    part("note").value = "";
    showMessage(`${nameOf(entry)}: ${JUDGEMENTS[judgement]}.`, { action: { text: "Undo (U)", run: undo } });
    draw();
  } catch (error) {
    showMessage(sentence(error.message), { bad: true });
  } finally {
    busy = false;
  }
  await (queue.length ? more() : load()).catch(() => {});
}

async function undo() {
  const last = reviewed.at(-1);
  if (!last || busy) return;
  busy = true;
  try {
    await remove(`/inspections/${last.entry.number}/reviews/${last.review.id}`);
    reviewed.pop();
    queue = queue.filter((other) => other.number !== last.entry.number);
    queue.splice(position, 0, last.entry);
    marked = [];
    showMessage(`${nameOf(last.entry)}: review taken back.`);
    draw();
  } catch (error) {
    showMessage(sentence(error.message), { bad: true });
  } finally {
    busy = false;
  }
}

function mark() {
  if (photograph.drawing) return photograph.stopDrawing();
  showMessage("Draw a box around the defect. With keys: arrows move it, Shift and arrows resize it, Enter keeps it, Esc cancels.");
  return photograph.startDrawing((box) => {
    marked = [...marked, box];
    draw();
    showMessage("Marked. Now press D if the plate is defective.");
  });
}

if (mayReview) {
  document.querySelectorAll("[data-judge]").forEach((button) => button.addEventListener("click", () => judge(button.dataset.judge)));
  part("undo").addEventListener("click", undo);
  part("draw").addEventListener("click", mark);
  bind(
    { key: "d", text: "Defective", legend: true, run: () => judge("defective") },
    { key: "g", text: "Good", legend: true, run: () => judge(part("good").dataset.judge) },
    { key: "c", text: "Cannot tell", legend: true, run: () => judge("unsure") },
    { key: "u", text: "Undo", legend: true, run: undo },
    { key: "b", text: "Mark a defect", legend: true, run: mark },
  );
}
document.querySelectorAll("[data-step]").forEach((button) => button.addEventListener("click", () => step(Number(button.dataset.step))));
bind(
  { key: "ArrowLeft", label: "←", text: "Previous", legend: true, run: () => step(-1) },
  { key: "ArrowRight", label: "→", text: "Next", legend: true, run: () => step(1) },
  { key: "m", text: "Map", legend: true, run: () => photograph.toggle("map") },
  { key: "x", text: "Boxes", legend: true, run: () => photograph.toggle("boxes") },
  { key: "e", text: "Good part beside it", legend: true, run: () => photograph.toggle("good") },
  { key: "+", text: "Zoom in; − zooms out, 0 shows all, Shift and arrows move", run: () => photograph.zoom.by(1.5) },
);

let due;
for (const kind of ["inspection", "review", "refresh"]) {
  connection.on(kind, () => {
    clearTimeout(due);
    due = setTimeout(() => busy || photograph.drawing || load().catch(() => {}), 500);
  });
}
load().catch((error) => showMessage(sentence(error.message), { bad: true }));
