// Events from the station: server-sent events, and a request every few seconds that notices when they stop.

import { get, partType, root } from "./api.js";
import { setNotice } from "./notices.js";
import { stamp } from "./text.js";

const POLL_MS = 4000;
const ASLEEP_MS = 15000; // without contact for so long the tablet was asleep, and what it shows is old
const KINDS = ["inspection", "review", "model", "alarm"];
const listeners = { inspection: [], review: [], model: [], alarm: [], health: [], refresh: [], state: [] };
// refresh: events may have been missed, load the data again; state: live, slow (only polling) or lost
const label = document.querySelector("[data-connection]");
let source;
let state = "slow";
let polling = false;
let lastContact = Date.now();

export const on = (kind, listener) => listeners[kind].push(listener);
export const emit = (kind, value) => listeners[kind].forEach((listener) => listener(value));

function setState(next) {
  if (next === state) return;
  state = next;
  label.dataset.state = next;
  label.textContent = { live: "live", slow: "delayed", lost: "no connection" }[next];
  label.title = next === "slow" ? "No live events; the page updates every 4 s." : "";
  const text = next === "lost" ? `No connection to the station since ${stamp(Date.now())}. This page shows old data. Trying to reconnect …` : "";
  setNotice("connection", text, { bad: true });
  emit("state", next);
}

// plates of another part type are not this page's
function passOn(kind, value) {
  if (kind !== "inspection" || partType === undefined || value.part_type === partType) emit(kind, value);
}

function open() {
  source?.close();
  source = new EventSource(`${root}/events`);
  for (const kind of KINDS) source.addEventListener(kind, (event) => passOn(kind, JSON.parse(event.data)));
  source.onopen = poll;
}

async function poll() {
  if (polling) return;
  polling = true;
  if (Date.now() - lastContact > ASLEEP_MS) setState("lost");
  try {
    emit("health", await get("/healthz", { timeout: 6000 }));
    lastContact = Date.now();
    const streaming = source.readyState === EventSource.OPEN;
    const before = state;
    setState(streaming ? "live" : "slow");
    if (!streaming || before !== "live") emit("refresh");
  } catch (error) {
    if (error.status === 0) setState("lost");
  } finally {
    polling = false;
  }
  if (source.readyState === EventSource.CLOSED) open();
}

export function start() {
  open();
  poll();
  setInterval(poll, POLL_MS);
  for (const kind of ["online", "offline"]) addEventListener(kind, poll);
  document.addEventListener("visibilitychange", () => document.hidden || poll());
}
