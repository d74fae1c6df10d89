// The station's REST service, as the pages use it.

const csrf = document.querySelector('meta[name="csrf"]')?.content ?? "";

const PATIENCE_MS = 30000;

/** What the station refused, or that it could not be reached (status 0); the message is a sentence for a person. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(options.patience ?? PATIENCE_MS), ...options });
  } catch {
    throw new Refused("the station does not answer; check the network and the station's computer", 0);
  }
  if (answer.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
  const text = await answer.text();
  let values = null;
  try {
    values = text ? JSON.parse(text) : null;
  } catch {
    values = null;
  }
  if (!answer.ok && path !== "/healthz") throw new Refused(values?.error?.message ?? `the station answered ${answer.status}`, answer.status);
  return values;
}

export const get = (path, options) => ask(path, options);

export const post = (path, values) =>
  ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
    body: JSON.stringify(values ?? {}),
  });

export const remove = (path) => ask(path, { method: "DELETE", headers: { "X-CSRF-Token": csrf } });

/** Hand in one photograph; the key makes a repeated sending harmless. */
export function inspect(file) {
  const type = file.type.startsWith("image/") ? file.type : "application/octet-stream";
  const headers = { "Content-Type": type, "X-CSRF-Token": csrf };
  headers["Idempotency-Key"] = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  const name = encodeURIComponent(file.name || "photograph");
  return ask(`/inspections?name=${name}&source=page`, { method: "POST", headers, body: file });
}

export const photographOf = (number) => `/inspections/${number}/photograph`;
export const thumbnailOf = (number) => `/inspections/${number}/thumbnail.jpg`;
export const mapOf = (number) => `/inspections/${number}/map.png`;
