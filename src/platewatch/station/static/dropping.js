// Files dropped anywhere on a page, also whole folders.

let receive = null;
let depth = 0;

/** What to do with a drop from now on: a function that gets the DataTransfer. */
export const onDrop = (run) => (receive = run);

const isFiles = (event) => receive !== null && [...(event.dataTransfer?.types ?? [])].includes("Files");
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
  receive(event.dataTransfer);
});

/** The files of a drop, those in folders too, by name; hidden ones are left out. */
export async function droppedFiles(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const folders = items.map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry?.isDirectory); // now: it is empty after a wait
  const own = [...transfer.files].filter((file) => !folders.some((entry) => entry.name === file.name));
  const files = [...own, ...(await Promise.all(folders.map(filesOf))).flat()];
  return files.filter((file) => !file.name.startsWith(".")).sort((one, other) => one.name.localeCompare(other.name));
}

async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((done, failed) => entry.file(done, failed))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const more = await new Promise((done, failed) => reader.readEntries(done, failed)); // a hundred at a time
    if (!more.length) return (await Promise.all(found.map(filesOf))).flat();
    found.push(...more);
  }
}
