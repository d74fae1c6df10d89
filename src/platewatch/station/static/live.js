// The live page: the newest plate large, the last twenty small. An older plate is never shown as the newest.

import { get, may, ownStation, thumbnailOf, root } from "./api.js";
import * as connection from "./connection.js";
import { element, noPhotograph, shape } from "./elements.js";
import { choose, take } from "./frame.js";
import { bind } from "./keys.js";
import { Photograph } from "./photograph.js";
import { duration, nameOf, newestFirst, numbers, outcomeOf, sentence, stamp, verdictText } from "./text.js";

const SHOWN = 20;
const IDLE_MS = 5 * 60 * 1000; // from here on the page says that no plate arrived
const part = (name) => document.querySelector(`[data-${name}]`);
const banner = part("banner");
const photograph = new Photograph(part("photograph"));
let entries = []; // newest first
let chosen = null; // number of the older plate that is shown; null: the newest plate is shown
let lost = false;

const midnight = () => {
  const day = new Date();
  day.setHours(0, 0, 0, 0);
  return day.toISOString();
};
const shown = () => entries.find((entry) => entry.number === chosen) ?? entries[0];
const isOlder = (entry) => chosen !== null && entry !== undefined && entry.number !== entries[0].number;

function draw({ fresh = false } = {}) {
  const entry = shown();
  drawBanner(entry, fresh);
  if (entry) {
    const { number, photograph_kept: kept, defects } = entry;
    photograph.show({ number, kept, judged: entry.verdict !== null, defects, name: nameOf(entry) });
  } else {
    photograph.missing.hidden = false;
    photograph.missing.textContent = may("inspect") ? "To inspect a photograph, drop it anywhere on this page or take one with the camera." : "No plate was judged yet.";
  }
  part("newest").hidden = !isOlder(entry);
  part("open").hidden = !entry;
  if (entry) part("open").href = `${root}/plates/${entry.number}`;
  drawLast(entry);
}

function drawBanner(entry, fresh) {
  const older = isOlder(entry);
  const outcome = lost ? "LOST" : entry ? outcomeOf(entry) : "NONE";
  const animated = banner.classList.contains("fresh") && !older && !lost; // a redraw does not stop the animation
  banner.className = `banner ${outcome}${older ? " older" : ""}${animated ? " fresh" : ""}`;
  part("shape").toggleAttribute("hidden", lost || !entry);
  if (entry) part("shape").replaceChildren(shape(outcomeOf(entry)).firstChild);
  part("word").textContent = lost ? "No connection" : entry ? verdictText(entry) : "Waiting";
  part("reason").textContent = lost
    ? `The current verdict is unknown.${entry ? ` Last plate received: ${verdictText(entry)}, ${stamp(entry.received)}.` : ""}`
    : sentence(entry?.reason ?? "for the first plate");
  drawFacts();
  if (fresh && !older) {
    banner.classList.remove("fresh");
    void banner.offsetWidth; // restarts the animation
    banner.classList.add("fresh");
  }
}

function drawFacts() {
  const entry = shown();
  if (!entry || lost) return part("facts").replaceChildren();
  const age = Date.now() - new Date(entry.received);
  const when = isOlder(entry) ? "an older plate, not the newest" : age > IDLE_MS ? `no plate for ${duration(age)}` : `${duration(age)} ago`;
  return part("facts").replaceChildren(element("b", {}, nameOf(entry)), ` · ${stamp(entry.received)}, ${when}`, element("span", { class: "detail" }, numbers(entry)));
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
  const label = `${nameOf(entry)}: ${verdictText(entry)}, ${stamp(entry.received)}`;
  const button = element("button", { type: "button", class: outcomeOf(entry), "aria-label": label, title: label });
  button.append(entry.photograph_kept ? element("img", { src: thumbnailOf(entry.number), alt: "" }) : noPhotograph());
  button.append(shape(outcomeOf(entry)));
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
  const index = entries.indexOf(shown()) + by;
  if (entries[index]) select(entries[index].number);
}

async function load() {
  const [page, counts] = await Promise.all([get(`/inspections?limit=${SHOWN}${ownStation}`), get(`/counts?since=${encodeURIComponent(midnight())}${ownStation}`)]);
  const newest = entries[0]?.number;
  entries = page.inspections;
  draw({ fresh: newest !== undefined && entries[0]?.number !== newest });
  drawCounts(counts);
}

function drawCounts(counts) {
  for (const each of document.querySelectorAll("[data-count]")) each.textContent = String(counts[each.dataset.count]);
}

let due;
function loadSoon() {
  clearTimeout(due);
  due = setTimeout(() => load().catch(() => {}), 150);
}
connection.on("inspection", (entry) => {
  if (!entries.some((other) => other.number === entry.number)) {
    entries = [entry, ...entries].sort(newestFirst).slice(0, SHOWN);
    draw({ fresh: true });
  }
  loadSoon(); // for the counts, and for plates in between
});
connection.on("refresh", loadSoon);
connection.on("state", (state) => {
  lost = state === "lost";
  draw();
});

part("newest").addEventListener("click", () => select(entries[0].number));
bind(
  { key: "ArrowLeft", label: "←", text: "Newer plate", legend: true, run: () => step(-1) },
  { key: "ArrowRight", label: "→", text: "Older plate", legend: true, run: () => step(1) },
  { key: "Escape", label: "Esc", text: "Newest plate", legend: true, run: () => entries.length && select(entries[0].number) },
  { key: "m", text: "Map", legend: true, run: () => photograph.toggle("map") },
  { key: "x", text: "Boxes", legend: true, run: () => photograph.toggle("boxes") },
  { key: "Enter", text: "Open the plate", legend: true, run: () => shown() && part("open").click() },
);
if (may("inspect")) bind({ key: "o", text: "Inspect a photograph", legend: true, run: choose }, { key: "c", text: "Take a photograph", run: take });
setInterval(drawFacts, 1000);
draw();
load().catch(() => {});
