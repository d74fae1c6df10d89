// The plates waiting for review, and the answers to them, for the single view and the grid alike.

import { get, ownStation, post, remove } from "./api.js";

const PAGE = 50;
const FAILED = "the station did not take it";

export class Queue {
  constructor() {
    this.entries = [];
    this.next = null; // where the next page starts
    this.reviewed = []; // answers for undo, the last one last: lists of { entry, review }
    this.clock = 0; // a list tells what was waiting when its request began: later answers count more
    this.answered = new Map(); // number: when its answer was taken, Infinity while it is on its way
    this.returned = new Map(); // number: { when, entry } of an answer that was taken back
  }

  /** Request the newest ones, at least `least`; returns whether they replaced the list. */
  async load({ least = PAGE, keep = () => false } = {}) {
    this.clock += 1;
    const began = this.clock;
    let page = await get(`/queue?limit=${PAGE}${ownStation}`);
    if (keep(page)) return false;
    let found = page.inspections;
    while (page.next !== null && found.length < least) {
      page = await get(`/queue?limit=${PAGE}&before=${encodeURIComponent(page.next)}`);
      found = [...found, ...page.inspections];
    }
    this.entries = this.#current(found, began);
    this.next = page.next;
    return true;
  }

  /** Request the next page. */
  async more() {
    if (this.next === null) return;
    this.clock += 1;
    const [began, from] = [this.clock, this.next];
    const page = await get(`/queue?limit=${PAGE}&before=${encodeURIComponent(from)}`);
    if (this.next !== from) return; // another list came meanwhile
    this.next = page.next;
    this.entries.push(...this.#current(page.inspections, began).filter((entry) => !this.#has(entry.number)));
  }

  #has(number) {
    return this.entries.some((entry) => entry.number === number);
  }

  /** A list without what was answered after its request began, and with what was taken back since. */
  #current(found, began) {
    const waiting = found.filter((entry) => !(this.answered.get(entry.number) > began));
    for (const { when, entry } of this.returned.values()) {
      if (when > began && !waiting.some((other) => other.number === entry.number)) waiting.push(entry);
    }
    return waiting.sort((one, other) => (one.received < other.received ? 1 : -1));
  }

  /** Answer plates, one after the other; throws the first error after the others were tried. */
  async answer(entries, judgementOf, { boxes = [], note = "", kind = "" } = {}) {
    const done = [];
    let failure = null;
    for (const entry of entries) {
      this.answered.set(entry.number, Infinity);
      try {
        const values = { judgement: judgementOf(entry), boxes, note, ...(kind ? { kind } : {}) };
        done.push({ entry, review: await post(`/inspections/${entry.number}/reviews`, values) });
        this.clock += 1;
        this.answered.set(entry.number, this.clock);
        this.returned.delete(entry.number);
        this.entries = this.entries.filter((other) => other.number !== entry.number);
      } catch (error) {
        this.answered.delete(entry.number);
        failure ??= error;
      }
    }
    if (done.length) this.reviewed.push(done);
    if (failure) throw new Error(entries.length > 1 ? `${done.length} of ${entries.length} answered: ${failure.message || FAILED}` : failure.message, { cause: failure });
    return done;
  }

  /** Take the last answer back; returns its plates. */
  async undo(position = 0) {
    const last = this.reviewed.at(-1);
    if (!last) return [];
    const back = [];
    while (last.length) {
      const { entry, review } = last.at(-1);
      await remove(`/inspections/${entry.number}/reviews/${review.id}`);
      last.pop();
      this.clock += 1;
      this.answered.delete(entry.number);
      this.returned.set(entry.number, { when: this.clock, entry });
      if (!this.#has(entry.number)) this.entries.splice(position, 0, entry);
      back.unshift(entry);
    }
    this.reviewed.pop();
    return back;
  }
}
