// Kinds of defect: a button and a key for each, which answer defective and name the kind at once.

import { element } from "./elements.js";
import { bind } from "./keys.js";

const KEYS = ["q", "w", "r", "y", "h", "j", "l", "n", "i"]; // free on the pages of review; 1 to 6 lead to pages

export class Kinds {
  /** `judge` is called with the kind's name. */
  constructor(place, judge) {
    this.place = place;
    this.named = JSON.parse(place.dataset.kinds);
    this.shown = [];
    if (!Object.values(this.named).some((kinds) => kinds.length)) return;
    bind(...KEYS.map((key, at) => ({ key, run: () => this.shown[at] && judge(this.shown[at]) })));
    place.addEventListener("click", (event) => {
      const button = event.target.closest("[data-defect-kind]");
      if (button) judge(button.dataset.defectKind);
    });
    if (place.dataset.partType !== undefined) this.show(place.dataset.partType);
  }

  /** Show the kinds of a part type; of one without its own, those of the part type without a name. */
  show(partType) {
    const kinds = this.named[partType] ?? this.named[""] ?? [];
    if (kinds.join() === this.shown.join()) return;
    this.shown = kinds;
    this.place.replaceChildren(
      ...kinds.map((kind, at) => element("button", { type: "button", "data-defect-kind": kind }, kind, " ", element("kbd", { "aria-hidden": "true" }, KEYS[at].toUpperCase()))),
    );
  }
}
