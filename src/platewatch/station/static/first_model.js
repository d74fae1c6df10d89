// The page First model: name, photographs, what preflight found, training, and the model taken into service.

import { post, remove, root, upload } from "./api.js";
import { Camera } from "./camera.js";
import * as connection from "./connection.js";
import { element } from "./elements.js";
import { droppedFiles, onDrop } from "./dropping.js";
import { bind } from "./keys.js";
import { showMessage } from "./notices.js";
import "./questions.js";
import { sentence } from "./text.js";

const part = (name) => document.querySelector(`[data-${name}]`);
const AT_A_TIME = 3;
const fail = (error) => showMessage(sentence(error.message), { bad: true });
const again = () => location.reload();
const following = document.querySelector("[data-refresh]") ? import("./refresh.js") : null;
const renew = async () => (following ? (await following).refresh() : again());

async function act(run, then = again) {
  try {
    await run();
    await then();
  } catch (error) {
    fail(error);
  }
}

// name
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-begin]")) return;
  event.preventDefault();
  act(() => post("/first-model", { name: event.target.elements.name.value.trim() }));
});

// buttons
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || button.disabled) return;
  const { post: address, group, photographName: name, leaveOut } = button.dataset;
  if (address) act(() => post(address, address.endsWith("/check") ? { group: group ?? "" } : {}));
  else if (name !== undefined) toggle(button);
  else if (leaveOut) act(() => post("/first-model/left-out", { names: JSON.parse(leaveOut), out: true }), renew);
  else if ("discard" in button.dataset) act(() => remove("/first-model"), () => location.assign(`${root}/`));
  else if ("use" in button.dataset) act(() => post("/first-model/use", { reason: document.querySelector("[data-reason]")?.value.trim() ?? "" }), () => location.assign(`${root}/`));
});

async function toggle(button) {
  const out = button.getAttribute("aria-pressed") === "true";
  button.setAttribute("aria-pressed", String(!out));
  try {
    const { used } = await post("/first-model/left-out", { names: [button.dataset.photographName], out });
    count(used);
    if (following) await renew();
  } catch (error) {
    button.setAttribute("aria-pressed", String(out));
    fail(error);
  }
}

// photographs
const photographs = part("step")?.dataset.step === "photographs" && part("count");

function count(used) {
  if (!photographs) return;
  const check = part("least");
  photographs.dataset.used = used;
  photographs.textContent = `${used} ${used === 1 ? "photograph" : "photographs"}${used < check.dataset.least ? `; at least ${check.dataset.least}` : ""}`;
  check.disabled = used < Number(check.dataset.least) || sending > 0;
}

function shown(name) {
  const known = [...document.querySelectorAll("[data-photograph-name]")].some((each) => each.dataset.photographName === name);
  if (known) return false;
  const made = part("one").content.cloneNode(true);
  made.querySelector("button").dataset.photographName = name;
  made.querySelector(".name").textContent = name;
  made.querySelector("img").src = `${root}/first-model/photographs/${encodeURIComponent(name)}/thumbnail.jpg`;
  part("grid").append(made);
  return true;
}

let sending = 0;
let sent = 0;
const waiting = [];

async function send(files) {
  waiting.push(...files);
  const bar = part("sent");
  bar.hidden = false;
  bar.max = sent + sending + waiting.length;
  while (waiting.length && sending < AT_A_TIME) sendOne(waiting.shift());
}

async function sendOne(file) {
  sending += 1;
  try {
    const { name } = await upload("/first-model/photographs", file);
    if (shown(name)) photographs.dataset.used = Number(photographs.dataset.used) + 1;
  } catch (error) {
    part("refused").append(element("li", {}, `${file.name}: ${error.message}`));
  }
  sending -= 1;
  sent += 1;
  part("sent").value = sent;
  count(Number(photographs.dataset.used));
  if (waiting.length) sendOne(waiting.shift());
  else if (!sending) part("sent").hidden = true;
}

if (photographs) {
  onDrop(async (transfer) => send(await droppedFiles(transfer)));
  const camera = new Camera(part("video"), (file) => send([file]));
  const picker = (name) => document.querySelector(`[data-picker="${name}"]`);
  for (const input of document.querySelectorAll("[data-picker]")) {
    input.addEventListener("change", () => {
      send([...input.files]);
      input.value = "";
    });
  }
  part("files").addEventListener("click", () => picker("files").click());
  part("directory").addEventListener("click", () => picker("directory").click());
  const byApp = () => {
    part("no-camera").hidden = false;
    picker("camera").click(); // before any wait: browsers open it only right after a touch
  };
  part("shoot").addEventListener("click", async () => {
    if (!Camera.possible()) return byApp();
    try {
      await camera.start();
      part("camera-view").hidden = false;
    } catch (error) {
      fail(error);
      byApp();
    }
    return undefined;
  });
  part("take").addEventListener("click", () => camera.take());
  part("stop-camera").addEventListener("click", () => {
    camera.stop();
    part("camera-view").hidden = true;
  });
  part("browse")?.addEventListener("click", () => browse(""));
  bind({ key: "c", text: "Take a photograph", run: () => (camera.running ? camera.take() : part("shoot").click()) });
}

// a folder of the station's PC
async function browse(folder) {
  try {
    const { get } = await import("./api.js");
    const found = await get(`/first-model/folders?folder=${encodeURIComponent(folder)}`);
    const view = part("browse-view");
    view.hidden = false;
    const to = (name, where) => {
      const button = element("button", { type: "button" }, name);
      button.addEventListener("click", () => browse(where));
      return element("li", {}, button);
    };
    const use = element("button", { type: "button", class: "primary" }, `Add ${found.photographs} photographs of this folder`);
    use.addEventListener("click", () =>
      act(
        async () => {
          const { refused } = await post("/first-model/folders", { folder });
          if (refused.length) throw new Error(`${refused.length} left out: ${refused[0].name}: ${refused[0].why}`);
        },
        again,
      ),
    );
    view.replaceChildren(
      element("ul", { class: "row" }, ...(found.above === null ? [] : [to("↑", found.above)]), ...found.folders.map((each) => to(each.name, each.folder))),
      ...(found.photographs ? [use] : []),
    );
  } catch (error) {
    fail(error);
  }
}

connection.on("model", renew);
document.documentElement.dataset.ready = "";
