// History by keys: up and down through the rows, Enter opens, slash goes to the search.

import { bind } from "./keys.js";

const links = [...document.querySelectorAll("tr[data-row] a.plain")];
let place = -1;

function go(by) {
  place = Math.min(Math.max(0, place + by), links.length - 1);
  links[place]?.focus();
}

bind(
  { key: "ArrowDown", label: "↓", word: "Next row", legend: true, does: () => go(1) },
  { key: "ArrowUp", label: "↑", word: "Row before", legend: true, does: () => go(-1) },
  { key: "/", word: "Search", legend: true, does: () => document.querySelector("[data-search]").focus() },
  { key: "ArrowRight", label: "→", word: "Older plates", legend: true, does: () => document.querySelector("[data-older]")?.click() },
);
