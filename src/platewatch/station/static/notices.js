// Messages: lines at the top for as long as a problem lasts, and one short message that disappears by itself.

import { element, svg } from "./elements.js";

const lines = document.querySelector("[data-notices]");
const toast = document.querySelector("[data-toast]");
let timer;

/** Set the line called `name`; an empty text removes it. */
export function setNotice(name, text, { bad = false } = {}) {
  const line = lines.querySelector(`[data-name="${name}"]`);
  if (!text) return line?.remove();
  if (line?.dataset.text === text) return undefined;
  const icon = svg("svg", { "aria-hidden": "true" });
  icon.append(svg("use", { href: "#warning" }));
  const made = element("p", { class: `notice${bad ? " bad" : ""}`, "data-name": name, "data-text": text }, icon, text);
  return line ? line.replaceWith(made) : lines.append(made);
}

/** Show a message for eight seconds; `action` is { text, run }. */
export function showMessage(text, { bad = false, action } = {}) {
  clearTimeout(timer);
  toast.className = `toast${bad ? " bad" : ""}`;
  toast.replaceChildren(element("p", {}, text));
  if (action) {
    const button = element("button", { type: "button" }, action.text);
    button.addEventListener("click", () => {
      toast.hidden = true;
      action.run();
    });
    toast.append(button);
  }
  toast.hidden = false;
  timer = setTimeout(() => (toast.hidden = true), 8000);
}

export function hideMessage() {
  toast.hidden = true;
}
