// The live page: the newest plate large, the last twenty small; nothing old is ever shown as if it were new.

import { get, thumbnailOf } from "./api.js";
import * as connection from "./connection.js";
import { choose, take } from "./frame.js";
import { bind } from "./keys.js";
import { Photograph } from "./photograph.js";
import { ago, clock, element, nameOf, numbers, sentence, shape, verdictOf, wordOf } from "./words.js";

const SHOWN = 20;
const OLD_MS = 5 * 60 * 1000; // after this long without a plate the page says so
const part = (name) => document.querySelector(`[data-${name}]`);
const banner = part("banner");
const photograph = new Photograph(part("photograph"));
let entries = []; // newest first
let chosen = null; // a number while an older plate is looked at, null while the newest is followed
let lost = false;

const midnight = () => {
  const day = new Date();
  day.setHours(0, 0, 0, 0);
  return day.toISOString();
};
const shown = () => entries.find((entry) => entry.number === chosen) ?? entries[0];

function draw({ fresh = false } = {}) {
  const entry = shown();
  drawBanner(entry, fresh);
  if (entry) {
    const { number, photograph_kept: kept, defects } = entry;
    photograph.show({ number, kept, defects, name: nameOf(entry) });
  } else {
    photograph.missing.hidden = false;
    photograph.missing.textContent = "Drop a photograph anywhere on this page to inspect it, or take one with the camera.";
  }
  const held = chosen !== null && entries.length && entry.number !== entries[0].number;
  part("newest").hidden = !held;
  part("open").hidden = !entry;
  if (entry) part("open").href = `/plates/${entry.number}`;
  drawLast(entry);
}

function drawBanner(entry, fresh) {
  const held = chosen !== null && entry && entry.number !== entries[0].number;
  const verdict = lost ? "LOST" : entry ? verdictOf(entry) : "NONE";
  const arriving = banner.classList.contains("fresh") && !held && !lost; // a redraw does not cut its animation short
  banner.className = `banner ${verdict}${held ? " held" : ""}${arriving ? " fresh" : ""}`;
  part("shape").toggleAttribute("hidden", lost || !entry);
  if (entry) part("shape").replaceChildren(shape(verdictOf(entry)).firstChild);
  part("word").textContent = lost ? "No connection" : entry ? wordOf(entry) : "Waiting";
  part("reason").textContent = lost
    ? `This page does not know what passes now.${entry ? ` The last plate it saw was ${wordOf(entry)}, at ${clock(entry.received)}.` : ""}`
    : sentence(entry?.reason ?? "for the first plate");
  drawFacts();
  if (fresh && !held) {
    banner.classList.remove("fresh");
    void banner.offsetWidth; // begins the animation anew
    banner.classList.add("fresh");
  }
}

function drawFacts() {
  const entry = shown();
  if (!entry || lost) return part("facts").replaceChildren();
  const held = entry.number !== entries[0].number;
  const age = Date.now() - new Date(entry.received);
  const standing = held ? "an older plate, not the newest" : age > OLD_MS ? `no plate since: ${ago(entry.received)}` : ago(entry.received);
  return part("facts").replaceChildren(element("b", {}, nameOf(entry)), ` · ${clock(entry.received)}, ${standing}`, element("br"), numbers(entry));
}

function drawLast(current) {
  const list = part("last");
  const there = new Map([...list.children].map((item) => [Number(item.dataset.number), item]));
  list.replaceChildren(...entries.map((entry) => there.get(entry.number) ?? thumbnail(entry)));
  for (const item of list.children) {
    const button = item.firstChild;
    if (Number(item.dataset.number) === current?.number) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

function thumbnail(entry) {
  const label = `${nameOf(entry)}: ${wordOf(entry)}, ${clock(entry.received)}`;
  const button = element("button", { type: "button", class: verdictOf(entry), "aria-label": label, title: label });
  if (entry.photograph_kept) button.append(element("img", { src: thumbnailOf(entry.number), alt: "" }));
  button.append(shape(verdictOf(entry)));
  button.addEventListener("click", () => select(entry.number));
  const item = element("li", {}, button);
  item.dataset.number = entry.number;
  return item;
}

function select(number) {
  chosen = number === entries[0]?.number ? null : number;
  draw();
}

function step(by) {
  const place = entries.indexOf(shown()) + by;
  if (entries[place]) select(entries[place].number);
}

async function load() {
  const [page, counts] = await Promise.all([get(`/inspections?limit=${SHOWN}`), get(`/counts?since=${encodeURIComponent(midnight())}`)]);
  const newest = entries[0]?.number;
  entries = page.inspections;
  draw({ fresh: newest !== undefined && entries[0]?.number !== newest });
  drawCounts(counts);
}

function drawCounts(counts) {
  for (const place of document.querySelectorAll("[data-count]")) place.textContent = String(counts[place.dataset.count]);
}

let due;
function loadSoon() {
  clearTimeout(due);
  due = setTimeout(() => load().catch(() => {}), 150);
}
connection.on("inspection", (entry) => {
  if (!entries.some((other) => other.number === entry.number)) {
    entries = [entry, ...entries].sort((one, other) => other.number - one.number).slice(0, SHOWN);
    draw({ fresh: true });
  }
  loadSoon(); // the counts, and what came in between
});
connection.on("again", loadSoon);
connection.on("state", (state) => {
  lost = state === "lost";
  draw();
});

part("newest").addEventListener("click", () => select(entries[0].number));
bind(
  { key: "ArrowLeft", label: "←", word: "Newer plate", legend: true, does: () => step(-1) },
  { key: "ArrowRight", label: "→", word: "Older plate", legend: true, does: () => step(1) },
  { key: "Escape", label: "Esc", word: "Newest plate", legend: true, does: () => entries.length && select(entries[0].number) },
  { key: "m", word: "Map", legend: true, does: () => photograph.toggle("map") },
  { key: "x", word: "Boxes", legend: true, does: () => photograph.toggle("boxes") },
  { key: "Enter", word: "Open the plate", legend: true, does: () => shown() && part("open").click() },
  { key: "o", word: "Inspect a photograph", legend: true, does: choose },
  { key: "c", word: "Camera", does: take },
);
setInterval(drawFacts, 1000);
draw();
load().catch(() => {});
