// What the page has to say: lines across the top while something is wrong, and one short message that goes by itself.

import { element, svg } from "./words.js";

const lines = document.querySelector("[data-notices]");
const toast = document.querySelector("[data-toast]");
let timer;

/** Show, change or (text empty) take away the line called `name`. */
export function notice(name, text, { bad = false } = {}) {
  const line = lines.querySelector(`[data-name="${name}"]`);
  if (!text) return line?.remove();
  if (line?.dataset.text === text) return undefined;
  const icon = svg("svg", { "aria-hidden": "true" });
  icon.append(svg("use", { href: "#warning" }));
  const made = element("p", { class: `notice${bad ? " bad" : ""}`, "data-name": name, "data-text": text }, icon, text);
  return line ? line.replaceWith(made) : lines.append(made);
}

/** A message that goes after eight seconds; `action` is { word, does }. */
export function say(text, { bad = false, action } = {}) {
  clearTimeout(timer);
  toast.className = `toast${bad ? " bad" : ""}`;
  toast.replaceChildren(element("p", {}, text));
  if (action) {
    const button = element("button", { type: "button" }, action.word);
    button.addEventListener("click", () => {
      toast.hidden = true;
      action.does();
    });
    toast.append(button);
  }
  toast.hidden = false;
  timer = setTimeout(() => (toast.hidden = true), 8000);
}

/** Take the message away: what it would say is to be seen. */
export function hush() {
  toast.hidden = true;
}
