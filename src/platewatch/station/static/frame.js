// What every page does: keys to the pages, theme, sound, notices, and photographs dropped anywhere.

import { get, inspect, may, post, root } from "./api.js";
import * as connection from "./connection.js";
import { onDrop } from "./dropping.js";
import { noPhotograph } from "./elements.js";
import { bind, read, store } from "./keys.js";
import { hideMessage, setNotice, showMessage } from "./notices.js";
import { nameOf, outcomeOf, sentence, verdictText, why } from "./text.js";

// pages
for (const link of document.querySelectorAll("nav a[data-key]")) {
  bind({ key: link.dataset.key, text: link.firstChild.textContent.trim(), run: () => link.click() });
}
// part types
const kinds = document.querySelector("[data-kind]");
kinds?.addEventListener("change", () => {
  const address = new URL(location.href);
  address.searchParams.delete("before");
  address.searchParams.delete("part_type");
  if (kinds.value) address.searchParams.set("part_type", kinds.value);
  location.assign(address);
});
if (kinds) bind({ key: "k", text: "Part type", run: () => kinds.focus() });

bind({ key: "?", text: "All shortcuts", legend: "last", run: () => document.querySelector("[data-keys-button]").click() });

// theme
function switchTheme() {
  const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  document.documentElement.dataset.theme = dark === "dark" ? "light" : "dark";
  store("platewatch.theme", document.documentElement.dataset.theme);
}
document.querySelector("[data-theme-button]").addEventListener("click", switchTheme);
bind({ key: "t", text: "Light or dark theme", run: switchTheme });

// sound, off by default
const soundButton = document.querySelector("[data-sound]");
let sound = read("platewatch.sound") === "on";
let audio;

function showSound() {
  soundButton.setAttribute("aria-pressed", String(sound));
  soundButton.setAttribute("aria-label", sound ? "Sound is on" : "Sound is off");
  soundButton.querySelector("[data-on]").toggleAttribute("hidden", !sound);
  soundButton.querySelector("[data-off]").toggleAttribute("hidden", sound);
}

function switchSound() {
  sound = !sound;
  store("platewatch.sound", sound ? "on" : "off");
  showSound();
  if (sound) beep("PASS");
}

function beep(outcome) {
  const tones = { PASS: [880], REVIEW: [620, 620], REJECT: [392, 330, 262], FAILED: [392, 330, 262] }[outcome];
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
soundButton.addEventListener("click", switchSound);
bind({ key: "s", text: "Sound on or off", run: switchSound });
showSound();
const beeped = []; // a plate uploaded on this page arrives twice: as response and as event
connection.on("inspection", (entry) => {
  if (beeped.includes(entry.number)) return;
  beeped.splice(0, Math.max(0, beeped.length - 50)); // the newest are enough
  beeped.push(entry.number);
  if (sound) beep(outcomeOf(entry));
});

document.querySelector("[data-logout]")?.addEventListener("click", async () => {
  await post("/logout").catch(() => {});
  location.assign(`${root}/login`);
});

// problems of the station
connection.on("health", ({ problems }) => setNotice("health", problems.map(({ message }) => sentence(message)).join(" · ")));

// number of plates waiting for review
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
["inspection", "review", "refresh"].forEach((kind) => connection.on(kind, countSoon));
countWaiting();

// a photograph that was removed meanwhile has no small picture: a symbol instead of the browser's own
const replaceBroken = (image) => image.matches?.("img:not([data-photo], [data-map], [data-good-photo])") && image.replaceWith(noPhotograph());
addEventListener("error", (event) => replaceBroken(event.target), true);
for (const image of document.images) if (image.getAttribute("src") && image.complete && !image.naturalWidth) replaceBroken(image);

// photographs: dropped anywhere, chosen as files, or taken with the tablet's camera
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

if (may("inspect") && !document.querySelector("main.first-model")) onDrop((transfer) => send([...transfer.files]));

async function send(files) {
  for (const [index, file] of files.entries()) {
    showMessage(`Inspecting ${files.length > 1 ? `${index + 1} of ${files.length}` : file.name} …`);
    try {
      const entry = await inspect(file);
      const open = { text: "Open", run: () => location.assign(`${root}/plates/${entry.number}`) };
      if (document.querySelector("main.live")) hideMessage(); // the live page shows the plate
      else showMessage(`${nameOf(entry)}: ${verdictText(entry)}, ${why(entry)}`, { action: open, bad: outcomeOf(entry) !== "PASS" });
      connection.emit("inspection", entry);
    } catch (error) {
      return showMessage(sentence(error.message), { bad: true });
    }
  }
  return undefined;
}

connection.start();
