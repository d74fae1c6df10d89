// Small pieces of a page.

import { outcomeOf, verdictText } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function svg(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** The symbol of an outcome: PASS, REVIEW, REJECT or FAILED. */
export function shape(outcome) {
  const made = svg("svg", { class: "shape", "aria-hidden": "true" });
  made.append(svg("use", { href: `#shape-${outcome}` }));
  return made;
}

/** The symbol in place of a photograph that is not here or cannot be displayed. */
export function noPhotograph() {
  const made = svg("svg", { class: "no-photograph", "aria-hidden": "true" });
  made.append(svg("use", { href: "#no-photograph" }));
  return made;
}

/** A plate's verdict as symbol and word. */
export function chip(entry) {
  const made = element("span", { class: `chip ${outcomeOf(entry)}` });
  made.append(shape(outcomeOf(entry)), verdictText(entry));
  return made;
}

/** Fill a <dl> with terms and texts. */
export function pairs(list, values) {
  list.replaceChildren(...Object.entries(values).flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)]));
}
