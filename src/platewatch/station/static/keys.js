// Single keys for everything, a legend that shows them, and a switch for those who type with their voice.

import { element } from "./words.js";

const known = new Map();
const stored = "platewatch.keys";
let on = read(stored) !== "off";

export function read(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // storage is closed: it holds for this page
  }
}

/** Bind keys: { key, word, does, label?, legend? }; `legend` shows it in the line below the page, "last" at its end. */
export function bind(...entries) {
  for (const entry of entries) known.set(entry.key.toLowerCase(), entry);
  draw();
}

function draw() {
  const entries = [...known.values()].sort((one, other) => (one.legend === "last") - (other.legend === "last"));
  const caption = (entry) => entry.label ?? (entry.key.length === 1 ? entry.key.toUpperCase() : entry.key);
  document
    .querySelector("[data-legend]")
    .replaceChildren(...entries.filter((entry) => entry.legend).map((entry) => element("li", {}, element("kbd", {}, caption(entry)), entry.word)));
  document
    .querySelector("[data-all-keys]")
    .replaceChildren(
      ...entries.filter((entry) => entry.word).flatMap((entry) => [element("dt", {}, element("kbd", {}, caption(entry))), element("dd", {}, entry.word)]),
    );
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const target = event.target;
  if (target.matches?.("input:not([type=checkbox]), select, textarea") && event.key !== "Escape") return;
  if (event.key === "Enter" && target.matches?.("a, button, summary")) return;
  if (document.querySelector("dialog[open]")) return;
  const entry = known.get(event.key.toLowerCase());
  if (!entry || (!on && event.key.length === 1 && event.key !== "?")) return;
  event.preventDefault();
  if (!event.repeat || event.key.startsWith("Arrow")) entry.does(event); // a key held down answers once
});

const dialog = document.querySelector("[data-keys]");
const button = document.querySelector("[data-keys-switch]");

function showSwitch() {
  button.textContent = on ? "Single keys are on" : "Single keys are off";
  button.setAttribute("aria-pressed", String(on));
}

button.addEventListener("click", () => {
  on = !on;
  keep(stored, on ? "on" : "off");
  showSwitch();
});
showSwitch();
document.querySelector("[data-keys-button]").addEventListener("click", () => dialog.showModal());
