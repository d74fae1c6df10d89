// The history page by keys: arrows move through the rows, Enter opens a plate, slash focuses the search text.

import { bind } from "./keys.js";

const links = [...document.querySelectorAll("tr[data-row] a.plain")];
let index = -1;

function move(by) {
  index = Math.min(Math.max(0, index + by), links.length - 1);
  links[index]?.focus();
}

bind(
  { key: "ArrowDown", label: "↓", text: "Next row", legend: true, run: () => move(1) },
  { key: "ArrowUp", label: "↑", text: "Previous row", legend: true, run: () => move(-1) },
  { key: "/", text: "Search", legend: true, run: () => document.querySelector("[data-search]").focus() },
  { key: "ArrowRight", label: "→", text: "Older plates", legend: true, run: () => document.querySelector("[data-older]")?.click() },
);
