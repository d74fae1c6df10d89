// The review queue: one key for each answer, undo, arrows; a place that was missed is marked by a box.

import { get, post, remove } from "./api.js";
import * as connection from "./connection.js";
import { bind } from "./keys.js";
import { say } from "./notices.js";
import { Photograph, drawingKeys } from "./photograph.js";
import { chip, dated, nameOf, pairs, sentence } from "./words.js";

const AHEAD = 5; // plates left below which more are asked for
const WORDS = { defective: "defective", good: "good", unsure: "cannot tell" };
const part = (name) => document.querySelector(`[data-${name}]`);
const photograph = new Photograph(part("photograph"));
drawingKeys(photograph);
let queue = [];
let next = null; // where the queue goes on
let place = 0;
let marked = []; // boxes drawn on the plate that is shown
const answered = []; // { entry, review }, for undo
let busy = false;
const answers = part("undo") !== null; // an auditor looks and says nothing

const current = () => queue[place];

async function load() {
  const page = await get("/queue?limit=50");
  const kept = current()?.number;
  if (place >= page.inspections.length && queue.length > place) return; // far down: the order there stays
  queue = page.inspections;
  next = page.next;
  place = Math.max(0, queue.findIndex((entry) => entry.number === kept));
  draw();
}

async function more() {
  if (next === null || queue.length - place > AHEAD) return;
  const page = await get(`/queue?limit=50&before=${encodeURIComponent(next)}`);
  next = page.next;
  queue.push(...page.inspections.filter((entry) => !queue.some((other) => other.number === entry.number)));
  drawPlace();
}

function draw() {
  const entry = current();
  part("desk").hidden = !entry;
  part("empty").hidden = Boolean(entry);
  if (answers) part("undo").disabled = answered.length === 0;
  if (!entry) return;
  const { number, photograph_kept: kept, defects } = entry;
  photograph.show({ number, kept, defects, marked, name: nameOf(entry) });
  part("chip").replaceChildren(chip(entry));
  part("reason").textContent = sentence(entry.reason) + (entry.sampled ? ". It passed and was drawn at random, so that misses are found." : ".");
  const score = entry.score === null ? "not scored" : `${entry.score.toFixed(2)} (rejected above ${entry.threshold.toFixed(2)})`;
  const p = entry.p_value === null ? "–" : entry.p_value.toFixed(3);
  pairs(part("facts"), { Plate: nameOf(entry), Received: dated(entry.received), Score: score, "p-value": p });
  drawPlace();
}

function drawPlace() {
  part("place").textContent = queue.length ? `${place + 1} of ${queue.length}${next === null ? "" : "+"} waiting` : "";
}

function step(by) {
  if (!queue[place + by]) return;
  place += by;
  marked = [];
  draw();
  more().catch(() => {});
}

async function judge(judgement) {
  const entry = current();
  if (!entry || busy) return; // a key pressed before the next plate is seen judges nothing
  busy = true;
  try {
    const note = part("note").value.trim();
    const review = await post(`/inspections/${entry.number}/reviews`, { judgement, boxes: marked, note });
    answered.push({ entry, review });
    queue = queue.filter((other) => other.number !== entry.number);
    place = Math.min(place, Math.max(0, queue.length - 1));
    marked = [];
    part("note").value = "";
    say(`${nameOf(entry)}: ${WORDS[judgement]}.`, { action: { word: "Undo (U)", does: undo } });
    draw();
  } catch (error) {
    say(sentence(error.message), { bad: true });
  } finally {
    busy = false;
  }
  await (queue.length ? more() : load()).catch(() => {});
}

async function undo() {
  const last = answered.at(-1);
  if (!last || busy) return;
  busy = true;
  try {
    await remove(`/inspections/${last.entry.number}/reviews/${last.review.id}`);
    answered.pop();
    queue = queue.filter((other) => other.number !== last.entry.number);
    queue.splice(place, 0, last.entry);
    marked = [];
    say(`${nameOf(last.entry)}: the answer is taken back.`);
    draw();
  } catch (error) {
    say(sentence(error.message), { bad: true });
  } finally {
    busy = false;
  }
}

function mark() {
  if (photograph.drawing) return photograph.stopDrawing();
  say("Draw a box around the place. By keys: arrows move it, Shift and arrows change its size, Enter keeps it, Esc leaves it.");
  return photograph.startDrawing((box) => {
    marked = [...marked, box];
    draw();
    say("Marked. Now press D if the plate is defective.");
  });
}

if (answers) {
  document.querySelectorAll("[data-judge]").forEach((button) => button.addEventListener("click", () => judge(button.dataset.judge)));
  part("undo").addEventListener("click", undo);
  part("draw").addEventListener("click", mark);
  bind(
    { key: "d", word: "Defective", legend: true, does: () => judge("defective") },
    { key: "g", word: "Good after all", legend: true, does: () => judge("good") },
    { key: "c", word: "Cannot tell", legend: true, does: () => judge("unsure") },
    { key: "u", word: "Undo", legend: true, does: undo },
    { key: "b", word: "Mark a place", legend: true, does: mark },
  );
}
document.querySelectorAll("[data-step]").forEach((button) => button.addEventListener("click", () => step(Number(button.dataset.step))));
bind(
  { key: "ArrowLeft", label: "←", word: "Before", legend: true, does: () => step(-1) },
  { key: "ArrowRight", label: "→", word: "Next", legend: true, does: () => step(1) },
  { key: "m", word: "Map", legend: true, does: () => photograph.toggle("map") },
  { key: "x", word: "Boxes", legend: true, does: () => photograph.toggle("boxes") },
);

let due;
for (const kind of ["inspection", "review", "again"]) {
  connection.on(kind, () => {
    clearTimeout(due);
    due = setTimeout(() => busy || photograph.drawing || load().catch(() => {}), 500);
  });
}
load().catch((error) => say(sentence(error.message), { bad: true }));
