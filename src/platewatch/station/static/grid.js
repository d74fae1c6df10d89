// The review queue as a grid: twenty plates at a glance, sorted and filtered, many selected and answered at once.

import { boxedOf } from "./api.js";
import { element, noPhotograph, shape } from "./elements.js";
import { nameOf, outcomeOf, stamp, verdictText, why } from "./text.js";

const SHOWN = 20;

/** The judgement of a good part: nothing is learned from a photograph without a score. */
export const goodOrUnusable = (entry) => (entry.score === null ? "unusable" : "good");

/** What a plate waits for: the strongest evidence, or that its photograph could not be judged. */
export function kindOf(entry) {
  if (entry.score === null) return "photograph";
  const { colour = 0, line = 0, texture = 0 } = entry.defects[0]?.evidence ?? entry.evidence ?? {};
  const strongest = Math.max(colour, line, texture ?? 0);
  return strongest === colour ? "colour" : strongest === line ? "line" : "texture";
}

const ORDERS = {
  newest: (one, other) => (one.received < other.received ? 1 : -1),
  oldest: (one, other) => (one.received < other.received ? -1 : 1),
  highest: (one, other) => (other.score ?? -1) - (one.score ?? -1),
  lowest: (one, other) => (one.score ?? Infinity) - (other.score ?? Infinity),
  kind: (one, other) => kindOf(one).localeCompare(kindOf(other)) || (other.score ?? -1) - (one.score ?? -1),
};

export class Grid {
  constructor(list, queue, open) {
    [this.list, this.queue, this.open] = [list, queue, open];
    this.chosen = new Set(); // numbers
    this.page = 0;
    const field = (name) => document.querySelector(`[data-grid-${name}]`);
    [this.order, this.verdict, this.kind, this.counted] = ["order", "verdict", "kind", "count"].map(field);
    for (const select of [this.order, this.verdict, this.kind]) select.addEventListener("change", () => this.draw((this.page = 0)));
    document.querySelectorAll("[data-grid-page]").forEach((button) => button.addEventListener("click", () => this.draw((this.page += Number(button.dataset.gridPage)))));
    document.querySelector("[data-grid-all]")?.addEventListener("click", () => this.selectAll());
  }

  found() {
    const fits = (entry) => (!this.verdict.value || outcomeOf(entry) === this.verdict.value) && (!this.kind.value || kindOf(entry) === this.kind.value);
    return this.queue.entries.filter(fits).sort(ORDERS[this.order.value]);
  }

  shown() {
    const found = this.found();
    this.page = Math.max(0, Math.min(this.page, Math.ceil(found.length / SHOWN) - 1));
    return found.slice(SHOWN * this.page, SHOWN * (this.page + 1));
  }

  selected() {
    return this.queue.entries.filter((entry) => this.chosen.has(entry.number));
  }

  draw() {
    const shown = this.shown();
    const waiting = new Set(this.queue.entries.map((entry) => entry.number));
    for (const number of this.chosen) if (!waiting.has(number)) this.chosen.delete(number);
    const there = new Map([...this.list.children].map((item) => [Number(item.dataset.number), item]));
    const focused = document.activeElement?.closest("[data-grid] li")?.dataset.number;
    const items = shown.map((entry) => there.get(entry.number) ?? this.#item(entry));
    if (items.length !== this.list.children.length || items.some((item, at) => item !== this.list.children[at])) {
      this.list.replaceChildren(...items); // a list that stays keeps the focus, and a touch that has begun
      if (focused) this.list.querySelector(`[data-number="${focused}"] button`)?.focus();
    }
    this.#mark();
  }

  /** Show which ones are selected, and how many there are. */
  #mark() {
    for (const item of this.list.children) item.firstChild.setAttribute("aria-pressed", String(this.chosen.has(Number(item.dataset.number))));
    const found = this.found().length;
    const { length } = this.queue.entries;
    const all = `${length}${this.queue.next === null ? "" : "+"}`;
    const selected = this.chosen.size ? ` · ${this.chosen.size} selected` : "";
    const [from, to] = [SHOWN * this.page, Math.min(found, SHOWN * (this.page + 1))];
    this.counted.textContent = `${found ? from + 1 : 0} to ${to} of ${found === length ? all : `${found} found, ${all}`} waiting${selected}`;
    for (const button of document.querySelectorAll("[data-grid-page]")) button.disabled = Number(button.dataset.gridPage) < 0 ? this.page === 0 : to >= found;
  }

  #item(entry) {
    const about = `${verdictText(entry)}, ${why(entry)}, ${stamp(entry.received)}`;
    const button = element("button", { type: "button", class: outcomeOf(entry), title: about });
    button.append(entry.photograph_kept ? element("img", { src: boxedOf(entry.number), alt: "", draggable: "false" }) : noPhotograph());
    const score = entry.score === null ? "no score" : entry.score.toFixed(2);
    button.append(shape(outcomeOf(entry)), element("span", { class: "fact" }, element("b", {}, nameOf(entry)), ` ${score}`), element("span", { class: "visually-hidden" }, about));
    button.addEventListener("click", () => this.#toggle(entry.number));
    button.addEventListener("dblclick", () => this.open(entry));
    button.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.open(entry);
    });
    const item = element("li", {}, button);
    item.dataset.number = entry.number;
    return item;
  }

  #toggle(number) {
    if (!this.chosen.delete(number)) this.chosen.add(number);
    this.#mark(); // the list stays as it is, or a second touch would not count as a double one
  }

  toggleFocused() {
    const item = document.activeElement?.closest("[data-grid] li");
    if (item) this.#toggle(Number(item.dataset.number));
  }

  /** Select all that are shown; when they are, none. */
  selectAll() {
    const numbers = this.shown().map((entry) => entry.number);
    const all = numbers.every((number) => this.chosen.has(number));
    for (const number of numbers) this.chosen[all ? "delete" : "add"](number);
    this.#mark();
  }

  columns() {
    const [first] = this.list.children;
    return Math.max(1, [...this.list.children].filter((item) => item.offsetTop === first.offsetTop).length);
  }

  move(by) {
    const items = [...this.list.children];
    const at = items.indexOf(document.activeElement?.closest("[data-grid] li"));
    items[Math.min(Math.max(0, at < 0 ? 0 : at + by), items.length - 1)]?.firstChild.focus();
  }
}
