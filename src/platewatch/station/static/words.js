// Numbers and times in words, and small pieces of a page.

const SVG = "http://www.w3.org/2000/svg";

export const verdictOf = (entry) => entry.verdict ?? "FAILED";
export const wordOf = (entry) => entry.verdict ?? "NOT READ";
export const nameOf = (entry) => entry.plate_id || `No. ${entry.number}`;

export function ago(moment, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - new Date(moment)) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86400)} days ago`;
}

export const clock = (moment) => new Date(moment).toLocaleTimeString("en-GB");
export const dated = (moment) => new Date(moment).toLocaleString("en-GB");

export function numbers(entry) {
  const { score, threshold, p_value: p } = entry;
  if (score === null || score === undefined) return "not scored";
  return `score ${score.toFixed(2)}, rejected above ${threshold.toFixed(2)} · p ${p.toFixed(3)}`;
}

export function sentence(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : "";
}

export function shape(verdict) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "shape");
  svg.setAttribute("aria-hidden", "true");
  const use = svg.appendChild(document.createElementNS(SVG, "use"));
  use.setAttribute("href", `#shape-${verdict}`);
  return svg;
}

export function chip(entry) {
  const span = element("span", { class: `chip ${verdictOf(entry)}` });
  span.append(shape(verdictOf(entry)), wordOf(entry));
  return span;
}

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

export function pairs(list, values) {
  list.replaceChildren(...Object.entries(values).flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)]));
}
