// A photograph with its anomaly map and boxes; a box can be drawn on it by finger, mouse or keys.

import { displays, goodOf, mapOf, photographOf } from "./api.js";
import { svg } from "./elements.js";
import { Zoom } from "./zoom.js";

const NOT_DISPLAYED = "The photograph cannot be displayed. Its hash and what was found are in the record.";

export class Photograph {
  constructor(figure) {
    this.figure = figure;
    for (const part of ["sheet", "photo", "map", "svg", "missing", "busy"]) this[part] = figure.querySelector(`[data-${part}]`);
    this.views = { map: false, boxes: true, good: false };
    this.defects = [];
    this.marked = [];
    this.number = null;
    this.photo.addEventListener("load", () => this.#fit());
    this.photo.addEventListener("error", () => this.#showMissing(NOT_DISPLAYED));
    this.map.addEventListener("load", () => (this.busy.hidden = true));
    this.map.addEventListener("error", () => this.#noMap());
    this.#drawByPointer();
    document.querySelectorAll("[data-view]").forEach((button) => button.addEventListener("click", () => this.toggle(button.dataset.view)));
    this.#good();
    this.zoom = new Zoom(this);
    new ResizeObserver(() => this.#fit()).observe(figure);
  }

  show({ number, kept, judged = true, defects = [], marked = [], name = "" }) {
    if (number === this.number) return this.#boxes(defects, marked);
    this.stopDrawing();
    this.zoom.reset();
    this.number = number;
    [this.defects, this.marked] = [defects, marked];
    this.map.removeAttribute("src");
    this.map.hidden = true;
    this.busy.hidden = true;
    if (!kept) return this.#showMissing("The photograph is not stored. Its hash and verdict are in the record.");
    this.photo.alt = `Photograph of plate ${name}`;
    this.photo.src = photographOf(number);
    this.missing.hidden = true;
    if (!judged) this.#checkWhole(number);
    this.#loadGood();
    return this.#map();
  }

  /** A browser shows the upper part of a damaged file as if it were all of it. */
  async #checkWhole(number) {
    if (!(await displays(number)) && number === this.number) this.#showMissing(NOT_DISPLAYED);
  }

  toggle(view) {
    this.views[view] = !this.views[view];
    document.querySelectorAll(`[data-view="${view}"]`).forEach((button) => button.setAttribute("aria-pressed", String(this.views[view])));
    if (view === "map") this.#map();
    else if (view === "good") this.#loadGood();
    else this.#boxes(this.defects, this.marked);
  }

  #map() {
    document.querySelectorAll("[data-scale]").forEach((scale) => (scale.hidden = !this.views.map));
    this.map.hidden = !this.views.map;
    if (!this.views.map || this.number === null || this.map.getAttribute("src")) return;
    this.busy.hidden = false;
    this.map.alt = "Anomaly map: differences from the good plates";
    this.map.src = mapOf(this.number);
  }

  /** The good photograph beside this one, where the page has a place for it. */
  #good() {
    const figure = document.querySelector("[data-good-example]");
    if (!figure) return;
    const [sheet, photo, missing] = ["sheet", "photo", "missing"].map((name) => figure.querySelector(`[data-good-${name}]`));
    this.good = { figure, sheet, photo };
    const show = (found) => {
      sheet.hidden = !found;
      missing.hidden = found;
      this.zoom.place();
    };
    photo.addEventListener("load", () => show(true));
    photo.addEventListener("error", () => show(false));
    new ResizeObserver(() => this.zoom.place()).observe(figure);
  }

  #loadGood() {
    if (!this.good) return;
    this.good.figure.hidden = !this.views.good;
    const address = this.number === null ? "" : goodOf(this.number);
    if (this.views.good && address && this.good.photo.getAttribute("src") !== address) this.good.photo.src = address;
  }

  #noMap() {
    if (!this.map.getAttribute("src")) return;
    this.map.hidden = true;
    this.busy.hidden = true;
  }

  #showMissing(text) {
    this.sheet.hidden = true;
    this.missing.hidden = false;
    this.missing.textContent = text;
  }

  #fit() {
    const { naturalWidth: width, naturalHeight: height } = this.photo;
    if (!width || !this.missing.hidden) return;
    this.sheet.hidden = false;
    this.zoom.place();
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#boxes(this.defects, this.marked);
  }

  #boxes(defects, marked) {
    [this.defects, this.marked] = [defects, marked];
    this.svg.replaceChildren();
    const side = Math.max(this.photo.naturalWidth, this.photo.naturalHeight) || 1;
    if (this.views.boxes) defects.forEach((defect, index) => this.#box(defect.box, String(index + 1), side, "box"));
    marked.forEach((box) => this.#box(box, "marked", side, "marked"));
    if (this.draft) this.#box(this.draft, "new", side, "marked");
  }

  #box([x, y, width, height], label, side, kind) {
    for (const name of ["edge", kind]) this.svg.append(svg("rect", { class: name, x, y, width, height }));
    const above = y > side / 18;
    const text = svg("text", { x: x + side / 200, y: above ? y - side / 90 : y + height + side / 24, "font-size": side / 26 });
    text.textContent = label;
    this.svg.append(text);
  }

  // Drawing: dragging makes the box; arrows move it, Shift and arrows resize it, Enter keeps it. `onBox` gets the box.
  startDrawing(onBox) {
    if (this.sheet.hidden) return;
    const { naturalWidth: width, naturalHeight: height } = this.photo;
    this.onBox = onBox;
    this.figure.classList.add("drawing");
    this.draft = [0.4 * width, 0.4 * height, 0.2 * width, 0.2 * height].map(Math.round);
    this.#boxes(this.defects, this.marked);
  }

  get drawing() {
    return this.figure.classList.contains("drawing");
  }

  stopDrawing() {
    this.figure.classList.remove("drawing");
    this.draft = null;
    if (!this.sheet.hidden) this.#boxes(this.defects, this.marked);
  }

  keepDrawing() {
    const box = this.draft;
    this.stopDrawing();
    if (box) this.onBox(box);
  }

  nudge(dx, dy, resize) {
    const step = Math.round(Math.max(this.photo.naturalWidth, this.photo.naturalHeight) / 50);
    const [x, y, width, height] = this.draft;
    this.draft = resize ? [x, y, width + dx * step, height + dy * step] : [x + dx * step, y + dy * step, width, height];
    this.draft = this.#within(this.draft);
    this.#boxes(this.defects, this.marked);
  }

  #within([x, y, width, height]) {
    const { naturalWidth: full, naturalHeight: tall } = this.photo;
    const [wide, high] = [Math.min(Math.max(4, width), full), Math.min(Math.max(4, height), tall)];
    return [Math.min(Math.max(0, x), full - wide), Math.min(Math.max(0, y), tall - high), wide, high].map(Math.round);
  }

  #drawByPointer() {
    let from = null;
    const place = (event) => {
      const room = this.sheet.getBoundingClientRect();
      const along = (value, start, length, full) => (Math.min(Math.max(value - start, 0), length) / length) * full;
      return [along(event.clientX, room.left, room.width, this.photo.naturalWidth), along(event.clientY, room.top, room.height, this.photo.naturalHeight)];
    };
    this.figure.addEventListener("pointerdown", (event) => {
      if (!this.drawing) return;
      event.preventDefault();
      from = place(event);
      this.figure.setPointerCapture(event.pointerId);
    });
    this.figure.addEventListener("pointermove", (event) => {
      if (!from) return;
      const to = place(event);
      const corner = [Math.min(from[0], to[0]), Math.min(from[1], to[1])];
      this.draft = this.#within([...corner, Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])]);
      this.#boxes(this.defects, this.marked);
    });
    this.figure.addEventListener("pointerup", () => {
      const [, , width, height] = this.draft ?? [0, 0, 0, 0];
      if (from && width > 4 && height > 4) this.keepDrawing();
      from = null;
    });
    this.figure.addEventListener("pointercancel", () => (from = null));
  }
}

/** Handle the keys while a box is drawn. */
export function drawingKeys(photograph) {
  document.addEventListener(
    "keydown",
    (event) => {
      if (!photograph.drawing) return;
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (step) photograph.nudge(...step, event.shiftKey);
      else if (event.key === "Enter" && !event.target.matches("button, a")) photograph.keepDrawing();
      else if (event.key === "Escape") photograph.stopDrawing();
      else return;
      event.preventDefault();
      event.stopPropagation();
    },
    true,
  );
}
