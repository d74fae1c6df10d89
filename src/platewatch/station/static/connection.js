// News from the station: server-sent events, asking again every few seconds when they do not come, and saying so.

import { get } from "./api.js";
import { notice } from "./notices.js";
import { clock } from "./words.js";

const SILENCE_MS = 25000; // the station sends a beat every 10 s
const POLL_MS = 4000;
const listeners = { entry: [], review: [], model: [], health: [], state: [] };
const mark = document.querySelector("[data-connection]");
let source;
let heard = Date.now();
let state = "slow";

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
  source.onopen = hear;
  source.addEventListener("beat", hear);
  for (const kind of ["entry", "review", "model"]) {
    source.addEventListener(kind, (event) => {
      hear();
      tell(kind, JSON.parse(event.data));
    });
  }
}

function hear() {
  heard = Date.now();
  become("live");
}

async function look() {
  const silent = Date.now() - heard > SILENCE_MS || source.readyState !== EventSource.OPEN;
  try {
    tell("health", await get("/healthz"));
    if (silent) {
      become("slow");
      tell("entry", null);
    }
  } catch (error) {
    if (error.status === 0) become("lost");
    else tell("health", { status: "degraded", problems: [error.message] });
  }
  if (source.readyState === EventSource.CLOSED || Date.now() - heard > 2 * SILENCE_MS) open();
}

export function start() {
  open();
  look();
  setInterval(look, POLL_MS);
}
