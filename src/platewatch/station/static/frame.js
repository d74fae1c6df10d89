// What every page does: keys to the pages, light and dark, sound, notices, and photographs dropped anywhere.

import { get, inspect, post } from "./api.js";
import * as connection from "./connection.js";
import { bind, keep, read } from "./keys.js";
import { hush, notice, say } from "./notices.js";
import { nameOf, sentence, verdictOf, wordOf } from "./words.js";

// pages
for (const link of document.querySelectorAll("nav a[data-key]")) {
  bind({ key: link.dataset.key, word: link.firstChild.textContent.trim(), does: () => link.click() });
}
bind({ key: "?", word: "All keys", legend: "last", does: () => document.querySelector("[data-keys-button]").click() });

// light and dark
function turn() {
  const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  document.documentElement.dataset.theme = dark === "dark" ? "light" : "dark";
  keep("platewatch.theme", document.documentElement.dataset.theme);
}
document.querySelector("[data-theme-button]").addEventListener("click", turn);
bind({ key: "t", word: "Light or dark", does: turn });

// sound, off until somebody turns it on
const speaker = document.querySelector("[data-sound]");
let sound = read("platewatch.sound") === "on";
let audio;

function showSound() {
  speaker.setAttribute("aria-pressed", String(sound));
  speaker.setAttribute("aria-label", sound ? "Sound is on" : "Sound is off");
  speaker.querySelector("[data-on]").toggleAttribute("hidden", !sound);
  speaker.querySelector("[data-off]").toggleAttribute("hidden", sound);
}

function turnSound() {
  sound = !sound;
  keep("platewatch.sound", sound ? "on" : "off");
  showSound();
  if (sound) beep("PASS");
}

function beep(verdict) {
  const tones = { PASS: [880], REVIEW: [620, 620], REJECT: [392, 330, 262], FAILED: [392, 330, 262] }[verdict];
  audio ??= new AudioContext();
  tones.forEach((pitch, index) => {
    const [tone, volume] = [audio.createOscillator(), audio.createGain()];
    const from = audio.currentTime + 0.18 * index;
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.16, from);
    volume.gain.exponentialRampToValueAtTime(0.001, from + 0.16);
    tone.connect(volume).connect(audio.destination);
    tone.start(from);
    tone.stop(from + 0.17);
  });
}
speaker.addEventListener("click", turnSound);
bind({ key: "s", word: "Sound on or off", does: turnSound });
showSound();
let beeped = 0; // a plate handed in here comes twice: as the answer and as news
connection.on("inspection", (entry) => {
  if (sound && entry.number > beeped) beep(verdictOf(entry));
  beeped = Math.max(beeped, entry.number);
});

document.querySelector("[data-logout]")?.addEventListener("click", async () => {
  await post("/logout").catch(() => {});
  location.assign("/login");
});

// what the station says of itself
connection.on("health", (health) => {
  const problems = health.problems ?? [];
  notice("health", problems.length ? problems.map(wordsOf).map(sentence).join(" · ") : "");
});
const wordsOf = (problem) => (typeof problem === "string" ? problem : (problem.message ?? problem.what ?? JSON.stringify(problem)));

let due = null;
const badge = document.querySelector("[data-waiting]");
async function countWaiting() {
  due = null;
  try {
    const { waiting } = await get("/pages/waiting");
    badge.textContent = waiting > 99 ? "99+" : String(waiting);
    badge.hidden = waiting === 0;
  } catch {
    badge.hidden = true;
  }
}
const countSoon = () => {
  due ??= setTimeout(countWaiting, 2000);
};
["inspection", "review", "again"].forEach((kind) => connection.on(kind, countSoon));
countWaiting();

// photographs, dropped anywhere, chosen, or taken by the tablet's camera
const picker = Object.assign(document.createElement("input"), { type: "file", accept: "image/*", multiple: true, hidden: true });
const camera = Object.assign(document.createElement("input"), { type: "file", accept: "image/*", hidden: true });
camera.setAttribute("capture", "environment");
picker.setAttribute("aria-label", "Photographs to inspect");
camera.setAttribute("aria-label", "Take a photograph");
document.body.append(picker, camera);
for (const input of [picker, camera]) {
  input.addEventListener("change", async () => {
    await send([...input.files]);
    input.value = "";
  });
}
const choose = () => picker.click();
const take = () => camera.click();
document.querySelectorAll("[data-choose]").forEach((button) => button.addEventListener("click", choose));
document.querySelectorAll("[data-camera]").forEach((button) => button.addEventListener("click", take));
export { choose, take };

let depth = 0;
const isFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
addEventListener("dragenter", (event) => {
  if (!isFiles(event)) return;
  depth += 1;
  document.body.classList.add("dropping");
});
addEventListener("dragleave", () => {
  depth = Math.max(0, depth - 1);
  if (!depth) document.body.classList.remove("dropping");
});
addEventListener("dragover", (event) => isFiles(event) && event.preventDefault());
addEventListener("drop", (event) => {
  if (!isFiles(event)) return;
  event.preventDefault();
  depth = 0;
  document.body.classList.remove("dropping");
  send([...event.dataTransfer.files]);
});

async function send(files) {
  for (const [index, file] of files.entries()) {
    say(`Inspecting ${files.length > 1 ? `${index + 1} of ${files.length}` : file.name} …`);
    try {
      const entry = await inspect(file);
      const open = { word: "Open", does: () => location.assign(`/plates/${entry.number}`) };
      if (document.querySelector("main.live")) hush(); // the page itself shows it
      else say(`${nameOf(entry)}: ${wordOf(entry)}, ${entry.reason}`, { action: open, bad: verdictOf(entry) !== "PASS" });
      connection.tell("inspection", entry);
    } catch (error) {
      return say(sentence(error.message), { bad: true });
    }
  }
  return undefined;
}

connection.start();
