// The review queue: one key for each judgement, undo, arrows; a missed defect is marked by a box. Grid: grid.js.

import * as connection from "./connection.js";
import { chip, pairs } from "./elements.js";
import { Grid, goodOrUnusable } from "./grid.js";
import { bind, read, store } from "./keys.js";
import { Kinds } from "./kinds.js";
import { showMessage } from "./notices.js";
import { Photograph, drawingKeys } from "./photograph.js";
import { Queue } from "./queue.js";
import { nameOf, sentence, stamp, why } from "./text.js";

const AHEAD = 5; // with fewer plates left, the next page is requested
const JUDGEMENTS = { defective: "defective", good: "good", unsure: "cannot tell", unusable: "part good, photograph not" };
const GOOD = { good: "Good", unusable: "The part is good, the photograph is not" }; // the second for a plate without a score
const VIEW = "platewatch.review";
const part = (name) => document.querySelector(`[data-${name}]`);
const photograph = new Photograph(part("photograph"));
drawingKeys(photograph);
const queue = new Queue();
let position = 0; // in the queue
let marked = []; // boxes drawn on the plate that is shown
let busy = false;
const mayReview = part("undo") !== null; // an auditor may not
const grid = new Grid(part("grid"), queue, open);
const kinds = mayReview ? new Kinds(part("kinds"), (kind) => judge("defective", kind)) : null;
let asGrid = read(VIEW) === "grid";

const current = () => queue.entries[position];

async function load() {
  const kept = current()?.number;
  const beyond = (page) => !asGrid && page.next !== null && position >= page.inspections.length; // the first page: keep the order
  if (!(await queue.load({ least: asGrid ? 300 : 1, keep: beyond }))) return;
  position = Math.max(0, queue.entries.findIndex((entry) => entry.number === kept));
  if (current()?.number !== kept) marked = []; // somebody else reviewed the plate that was shown
  draw();
}

async function more() {
  if (queue.entries.length - position > AHEAD) return;
  await queue.more();
  drawPosition();
}

function draw() {
  const entry = current();
  part("desk").hidden = !entry || asGrid;
  part("overview").hidden = !entry || !asGrid;
  part("empty").hidden = Boolean(entry);
  if (mayReview) document.querySelectorAll("[data-undo]").forEach((button) => (button.disabled = queue.reviewed.length === 0));
  if (!entry) return;
  kinds?.show(entry.part_type);
  if (asGrid) return grid.draw();
  const { number, photograph_kept: kept, defects } = entry;
  photograph.show({ number, kept, judged: entry.verdict !== null, defects, marked, name: nameOf(entry) });
  part("chip").replaceChildren(chip(entry));
  part("reason").textContent = sentence(why(entry)) + (entry.sampled ? ". It passed and was chosen at random, to find missed defects." : ".");
  if (mayReview) {
    part("good").dataset.judge = goodOrUnusable(entry);
    part("good-word").textContent = GOOD[part("good").dataset.judge];
  }
  const score = entry.score === null ? "no score" : `${entry.score.toFixed(2)} (REJECT above ${entry.threshold.toFixed(2)})`;
  const p = entry.p_value === null ? "–" : entry.p_value.toFixed(3);
  pairs(part("facts"), { Plate: nameOf(entry), Received: stamp(entry.received), Score: score, "p-value": p });
  return drawPosition();
}

function drawPosition() {
  const { entries, next } = queue;
  part("position").textContent = entries.length ? `${position + 1} of ${entries.length}${next === null ? "" : "+"} waiting` : "";
}

function step(by) {
  if (asGrid) return grid.move(by);
  if (!queue.entries[position + by]) return undefined;
  position += by;
  marked = [];
  draw();
  return more().catch(() => {});
}

async function judge(judgement, kind = "") {
  const chosen = asGrid ? grid.selected() : [current()].filter(Boolean);
  if (busy) return; // a key pressed before the next plate is shown is ignored
  if (!chosen.length) return void showMessage("Select plates first: touch them, or press Space. A selects all that are shown.");
  busy = true;
  const judgementOf = (entry) => (judgement === "defective" || judgement === "unsure" ? judgement : goodOrUnusable(entry));
  const given = asGrid ? { kind } : { boxes: marked, note: part("note").value.trim(), kind };
  try {
    const done = await queue.answer(chosen, judgementOf, given);
    marked = [];
    part("note").value = "";
    const what = done.length === 1 ? nameOf(done[0].entry) : `${done.length} plates`;
    showMessage(`${what}: ${JUDGEMENTS[done.length === 1 ? judgementOf(done[0].entry) : judgement]}${kind ? `, ${kind}` : ""}.`, { action: { text: "Undo (U)", run: undo } });
  } catch (error) {
    showMessage(sentence(error.message), { bad: true });
  } finally {
    busy = false;
  }
  position = Math.min(position, Math.max(0, queue.entries.length - 1));
  draw();
  await (queue.entries.length ? more() : load()).catch(() => {});
}

async function undo() {
  if (busy || !queue.reviewed.length) return;
  busy = true;
  try {
    const back = await queue.undo(position);
    marked = [];
    showMessage(`${back.length === 1 ? nameOf(back[0]) : `${back.length} plates`}: review taken back.`);
  } catch (error) {
    showMessage(sentence(error.message), { bad: true });
  } finally {
    busy = false;
  }
  draw();
}

function mark() {
  if (asGrid) return undefined;
  if (photograph.drawing) return photograph.stopDrawing();
  showMessage("Draw a box around the defect. With keys: arrows move it, Shift and arrows resize it, Enter keeps it, Esc cancels.");
  return photograph.startDrawing((box) => {
    marked = [...marked, box];
    draw();
    showMessage("Marked. Now press D if the plate is defective.");
  });
}

/** Show the grid, or one plate alone. */
function switchView(toGrid = !asGrid) {
  asGrid = toGrid;
  store(VIEW, asGrid ? "grid" : "single");
  marked = [];
  draw();
  load().catch(() => {});
}

function open(entry) {
  position = Math.max(0, queue.entries.findIndex((other) => other.number === entry.number));
  switchView(false);
}

if (mayReview) {
  document.querySelectorAll("[data-judge]").forEach((button) => button.addEventListener("click", () => judge(button.dataset.judge)));
  document.querySelectorAll("[data-undo]").forEach((button) => button.addEventListener("click", undo));
  part("draw").addEventListener("click", mark);
  bind(
    { key: "d", text: "Defective", legend: true, run: () => judge("defective") },
    { key: "g", text: "Good", legend: true, run: () => judge("good") },
    { key: "c", text: "Cannot tell", legend: true, run: () => judge("unsure") },
    { key: "u", text: "Undo", legend: true, run: undo },
    { key: "b", text: "Mark a defect", legend: true, run: mark },
    { key: "a", text: "Grid: select all that are shown, or none", run: () => asGrid && grid.selectAll() },
    { key: " ", label: "Space", text: "Grid: select", run: () => asGrid && grid.toggleFocused() },
  );
}
document.querySelectorAll("[data-switch-view]").forEach((button) => button.addEventListener("click", () => switchView()));
document.querySelectorAll("[data-step]").forEach((button) => button.addEventListener("click", () => step(Number(button.dataset.step))));
bind(
  { key: "v", text: "Grid or single", legend: true, run: () => switchView() },
  { key: "ArrowLeft", label: "←", text: "Previous", legend: true, run: () => step(-1) },
  { key: "ArrowRight", label: "→", text: "Next", legend: true, run: () => step(1) },
  { key: "ArrowUp", label: "↑", text: "Grid: row above", run: () => asGrid && grid.move(-grid.columns()) },
  { key: "ArrowDown", label: "↓", text: "Grid: row below", run: () => asGrid && grid.move(grid.columns()) },
  { key: "m", text: "Map", run: () => photograph.toggle("map") },
  { key: "x", text: "Boxes", run: () => photograph.toggle("boxes") },
  { key: "e", text: "Good part beside it", run: () => photograph.toggle("good") },
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
