// Single-key shortcuts, the legend that shows them, and a switch to turn them off for speech input.

import { element } from "./elements.js";

const shortcuts = new Map();
const STORED = "platewatch.keys";
let on = read(STORED) !== "off";

export function read(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function store(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // without storage the setting lasts for this page
  }
}

/** Bind keys: { key, text, run, label?, legend? }; `legend` shows it below the page, "last" at the end. */
export function bind(...entries) {
  for (const entry of entries) shortcuts.set(entry.key.toLowerCase(), entry);
  draw();
}

// the content scrolls, not the document: without a focus in it, the browser does not scroll it by keys
const SCROLLED = { ArrowDown: 0.1, ArrowUp: -0.1, PageDown: 0.9, PageUp: -0.9, " ": 0.9, Home: -Infinity, End: Infinity };

function scroll(event) {
  const page = document.querySelector("main");
  const by = SCROLLED[event.key] * (event.key === " " && event.shiftKey ? -1 : 1);
  event.preventDefault();
  page.scrollTop = Math.min(Math.max(0, page.scrollTop + by * page.clientHeight), page.scrollHeight);
}

function draw() {
  const entries = [...shortcuts.values()].sort((one, other) => (one.legend === "last") - (other.legend === "last"));
  const caption = (entry) => entry.label ?? (entry.key.length === 1 ? entry.key.toUpperCase() : entry.key);
  document
    .querySelector("[data-legend]")
    .replaceChildren(...entries.filter((entry) => entry.legend).map((entry) => element("li", {}, element("kbd", {}, caption(entry)), entry.text)));
  document
    .querySelector("[data-all-keys]")
    .replaceChildren(
      ...entries.filter((entry) => entry.text).flatMap((entry) => [element("dt", {}, element("kbd", {}, caption(entry))), element("dd", {}, entry.text)]),
    );
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const target = event.target;
  if (target.matches?.("input:not([type=checkbox]), select, textarea") && event.key !== "Escape") return;
  if (event.key === "Enter" && target.matches?.("a, button, summary")) return;
  if (document.querySelector("dialog[open]")) return;
  const entry = shortcuts.get(event.key.toLowerCase());
  if (!entry && event.key in SCROLLED && target === document.body) return scroll(event);
  if (!entry || (!on && event.key.length === 1 && event.key !== "?")) return;
  event.preventDefault();
  if (!event.repeat || event.key.startsWith("Arrow")) entry.run(event); // a key that is held down acts once
});

const dialog = document.querySelector("[data-keys]");
const button = document.querySelector("[data-keys-switch]");

function showSwitch() {
  button.textContent = `Single-key shortcuts: ${on ? "on" : "off"}`;
  button.setAttribute("aria-pressed", String(on));
}

button.addEventListener("click", () => {
  on = !on;
  store(STORED, on ? "on" : "off");
  showSwitch();
});
showSwitch();
document.querySelector("[data-keys-button]").addEventListener("click", () => dialog.showModal());
