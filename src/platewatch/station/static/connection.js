// News from the station: server-sent events, asking again every few seconds when they do not come, and saying so.

import { get } from "./api.js";
import { notice } from "./notices.js";
import { clock } from "./words.js";

const POLL_MS = 4000;
const ASLEEP_MS = 15000; // not heard of for so long: the tablet slept, and what it shows is old
const KINDS = ["inspection", "review", "model", "alarm"];
const listeners = { inspection: [], review: [], model: [], alarm: [], health: [], again: [], state: [] };
// again: something may have been missed, look for yourself; state: live, slow (asking every few seconds) or lost
const mark = document.querySelector("[data-connection]");
let source;
let state = "slow";
let looking = false;
let heard = Date.now();

export const on = (kind, does) => listeners[kind].push(does);
export const connected = () => state !== "lost";
export const tell = (kind, value) => listeners[kind].forEach((does) => does(value));

function become(next) {
  if (next === state) return;
  state = next;
  mark.dataset.state = next;
  mark.textContent = { live: "live", slow: "every 4 s", lost: "no connection" }[next];
  const since = next === "lost" ? `No connection to the station since ${clock(Date.now())}. What you see is old; trying again …` : "";
  notice("connection", since, { bad: true });
  tell("state", next);
}

function open() {
  source?.close();
  source = new EventSource("/events");
  for (const kind of KINDS) source.addEventListener(kind, (event) => tell(kind, JSON.parse(event.data)));
  source.onopen = look;
}

async function look() {
  if (looking) return;
  looking = true;
  if (Date.now() - heard > ASLEEP_MS) become("lost");
  try {
    tell("health", await get("/healthz", { patience: 6000 }));
    heard = Date.now();
    const told = source.readyState === EventSource.OPEN;
    const before = state;
    become(told ? "live" : "slow");
    if (!told || before !== "live") tell("again");
  } catch (error) {
    if (error.status === 0) become("lost");
  } finally {
    looking = false;
  }
  if (source.readyState === EventSource.CLOSED) open();
}

export function start() {
  open();
  look();
  setInterval(look, POLL_MS);
  for (const kind of ["online", "offline"]) addEventListener(kind, look);
  document.addEventListener("visibilitychange", () => document.hidden || look());
}
