// Zooming into a photograph: by wheel, by two fingers, by a double touch, by keys and by buttons; a drag moves it.

const MOST = 12; // times the whole photograph
const STEP = 1.5; // of a key or button

export class Zoom {
  constructor(photograph) {
    this.photograph = photograph;
    [this.times, this.x, this.y] = [1, 0.5, 0.5]; // x, y: what part of the photograph is in the middle, 0 to 1
    const { figure } = photograph;
    this.buttons = [...document.querySelectorAll("[data-zoom]")];
    if (!this.buttons.length) return; // a page without zoom
    figure.classList.add("zooming");
    for (const button of this.buttons) button.addEventListener("click", () => this.by(button.dataset.zoom === "in" ? STEP : 1 / STEP));
    figure.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    figure.addEventListener("dblclick", (event) => (this.times > 1 ? this.reset() : this.by(3, event)));
    figure.addEventListener("touchmove", (event) => event.touches.length > 1 && event.preventDefault(), { passive: false });
    this.#pointers(figure);
    document.addEventListener("keydown", (event) => this.#key(event), true);
  }

  reset() {
    [this.times, this.x, this.y] = [1, 0.5, 0.5];
    this.place();
  }

  /** Zoom by a factor; what is at the place (in px of the window) stays there. */
  by(factor, { clientX, clientY } = {}) {
    const { sheet, figure } = this.photograph;
    if (sheet.hidden) return;
    const [room, area] = [sheet.getBoundingClientRect(), figure.getBoundingClientRect()];
    const [px, py] = [clientX ?? area.left + area.width / 2, clientY ?? area.top + area.height / 2];
    const before = this.times;
    this.times = Math.min(MOST, Math.max(1, this.times * factor));
    const [wide, high] = [(room.width * this.times) / before, (room.height * this.times) / before];
    this.x = (px - room.left) / room.width - (px - area.left - area.width / 2) / wide;
    this.y = (py - room.top) / room.height - (py - area.top - area.height / 2) / high;
    this.place();
  }

  /** Move what is shown, in px of the window. */
  move(dx, dy) {
    const room = this.photograph.sheet.getBoundingClientRect();
    this.x -= dx / room.width;
    this.y -= dy / room.height;
    this.place();
  }

  /** Size and place of the sheet, and of the good one beside it; a photograph never leaves its room. */
  place() {
    const { good, figure } = this.photograph;
    [this.x, this.y] = this.#place(this.photograph) ?? [this.x, this.y];
    if (good && !good.figure.hidden) this.#place(good);
    figure.classList.toggle("zoomed", this.times > 1);
    for (const button of this.buttons) button.disabled = button.dataset.zoom === "in" ? this.times >= MOST : this.times <= 1;
  }

  #place({ figure, sheet, photo }) {
    const { clientWidth: across, clientHeight: down } = figure;
    const scale = Math.min(across / photo.naturalWidth, down / photo.naturalHeight) * this.times;
    if (!Number.isFinite(scale)) return null;
    const [wide, high] = [photo.naturalWidth * scale, photo.naturalHeight * scale];
    const within = (middle, length, room) => (length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, room / 2 - middle * length)));
    const [left, top] = [within(this.x, wide, across), within(this.y, high, down)];
    Object.assign(sheet.style, { width: `${wide}px`, height: `${high}px`, left: `${left}px`, top: `${top}px` });
    return [(across / 2 - left) / wide, (down / 2 - top) / high];
  }

  #wheel(event) {
    if (this.times <= 1 && event.deltaY > 0) return; // the page scrolls
    event.preventDefault();
    this.by(Math.exp(-0.0015 * Math.max(-400, Math.min(400, event.deltaY * (event.deltaMode ? 30 : 1)))), event);
  }

  #pointers(figure) {
    const at = new Map();
    figure.addEventListener("pointerdown", (event) => {
      if (this.photograph.drawing || event.target.closest("button, a")) return;
      at.set(event.pointerId, event);
      if (this.times > 1 || at.size > 1) figure.setPointerCapture(event.pointerId);
    });
    figure.addEventListener("pointermove", (event) => {
      const before = at.get(event.pointerId);
      if (!before || this.photograph.drawing) return;
      const other = [...at.values()].find((each) => each.pointerId !== event.pointerId);
      at.set(event.pointerId, event);
      if (!other) return this.times > 1 && this.move(event.clientX - before.clientX, event.clientY - before.clientY);
      const apart = (one) => Math.max(1, Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY));
      const middle = { clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 };
      this.by(apart(event) / apart(before), middle);
      return this.move((event.clientX - before.clientX) / 2, (event.clientY - before.clientY) / 2);
    });
    for (const kind of ["pointerup", "pointercancel"]) figure.addEventListener(kind, (event) => at.delete(event.pointerId));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.photograph.drawing || event.target.matches?.("input, select, textarea")) return;
    if (document.querySelector("dialog[open]")) return;
    const arrow = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.key === "+" || event.key === "=") this.by(STEP);
    else if (event.key === "-") this.by(1 / STEP);
    else if (event.key === "0") this.reset();
    else if (arrow && event.shiftKey && this.times > 1) this.move(80 * arrow[0], 80 * arrow[1]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
