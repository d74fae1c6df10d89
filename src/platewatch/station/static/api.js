// Requests to the station's REST service.

const csrf = document.querySelector('meta[name="csrf"]')?.content ?? "";

/** The path before every address of the station; empty unless it is behind a proxy with one. */
export const root = document.documentElement.dataset.root ?? "";

/** Whether the role of who looks at this page has a right. */
export const may = (right) => (document.documentElement.dataset.may ?? "").split(" ").includes(right);

const TIMEOUT_MS = 30000;

/** An error response, or no response (status 0); the message is a sentence for a person. */
export class RequestError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function request(path, { timeout = TIMEOUT_MS, ...options } = {}) {
  let response;
  try {
    response = await fetch(root + path, { credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(timeout), ...options });
  } catch {
    throw new RequestError("no connection to the station; check the network and the station's computer", 0);
  }
  if (response.status === 401) location.assign(`${root}/login?next=${encodeURIComponent(location.pathname.slice(root.length))}`);
  const text = await response.text();
  let values = null;
  try {
    values = text ? JSON.parse(text) : null;
  } catch {
    values = null;
  }
  if (!response.ok && path !== "/healthz") throw new RequestError(values?.error?.message ?? `the station returned status ${response.status}`, response.status);
  return values;
}

/** The part type that this page shows, empty for photographs without one; undefined: all of them. */
export const partType = document.documentElement.dataset.partType;

const ofPartType = (separator) => (partType === undefined ? "" : `${separator}part_type=${encodeURIComponent(partType)}`);
const LISTS = /^\/(inspections\?|counts|queue|pages\/waiting)/;

/** GET an address; lists are those of the page's part type. */
export const get = (path, options) => request(LISTS.test(path) ? path + ofPartType(path.includes("?") ? "&" : "?") : path, options);

export const post = (path, values) =>
  request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
    body: JSON.stringify(values ?? {}),
  });

export const remove = (path) => request(path, { method: "DELETE", headers: { "X-CSRF-Token": csrf } });

/** Send a photograph to an address that takes one. */
export function upload(path, file, { headers = {}, query = "" } = {}) {
  const type = file.type.startsWith("image/") ? file.type : "application/octet-stream";
  const name = encodeURIComponent(file.name || "photograph");
  return request(`${path}?name=${name}${query}`, { method: "POST", headers: { "Content-Type": type, "X-CSRF-Token": csrf, ...headers }, body: file });
}

/** Have one photograph judged; the key makes it safe to send it twice. */
export const inspect = (file) =>
  upload("/inspections", file, { headers: { "Idempotency-Key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` }, query: `&source=page${ofPartType("&")}` });

const station = document.documentElement.dataset.station;
export const ownStation = station ? `&station=${encodeURIComponent(station)}` : ""; // of a list's address: a named station shows its own plates

export const photographOf = (number) => `${root}/inspections/${number}/photograph`;
/** Whether the whole photograph can be decoded. */
export async function displays(number) {
  try {
    const response = await fetch(photographOf(number), { credentials: "same-origin" });
    (await createImageBitmap(await response.blob())).close();
    return true;
  } catch {
    return false;
  }
}

export const boxedOf = (number) => `${root}/inspections/${number}/thumbnail.jpg?boxes=true`;
export const thumbnailOf = (number) => `${root}/inspections/${number}/thumbnail.jpg`;
export const goodOf = (number) => `${root}/inspections/${number}/good.webp`;
export const mapOf = (number) => `${root}/inspections/${number}/map.png`;
