// Plates, times and numbers as text.

const NOT_READABLE = "Not readable"; // in place of a verdict, as in platewatch/inspection.py

export const outcomeOf = (entry) => entry.verdict ?? "FAILED"; // for colours and shapes
export const verdictText = (entry) => entry.verdict ?? NOT_READABLE;
const RANGE = 1e12; // numbers of one station, as in platewatch/records/values.py
export const placeOf = (number) => ((number - 1) % RANGE) + 1; // its number within its station
export const nameOf = (entry) => (entry.plate_id || `No. ${placeOf(entry.number)}`) + (entry.part_type ? ` (${entry.part_type})` : "");

/** Newest first, also of several stations: their numbers are in different ranges. */
export const newestFirst = (one, other) => (placeOf(one.number) - one.number === placeOf(other.number) - other.number ? other.number - one.number : Date.parse(other.received) - Date.parse(one.received));

/** Why it has its verdict; of a photograph that is not readable, what is wrong with it. */
export const why = ({ reason, error }) => (error ? `${reason}: ${error}` : reason);

export function duration(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

/** A time with its zone, as platewatch/line/wording.py writes it; a time of the station keeps the station's zone. */
export function stamp(moment) {
  const [, date, clock, zone] = /^(\S+)T(\d\d:\d\d:\d\d)[^Z+-]*(\S+)$/.exec(typeof moment === "string" ? moment : here(moment));
  const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)$/.exec(zone) ?? ["", "+", "00", "00"];
  const offset = Number(hours) || Number(minutes) ? `${sign}${Number(hours)}${minutes === "00" ? "" : `:${minutes}`}` : "";
  return `${date} ${clock} UTC${offset}`;
}

/** A time of this browser as ISO 8601, in its own zone. */
function here(milliseconds) {
  const minutes = -new Date(milliseconds).getTimezoneOffset();
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  const zone = `${minutes < 0 ? "-" : "+"}${two(Math.abs(minutes) / 60)}:${two(Math.abs(minutes) % 60)}`;
  return new Date(milliseconds + 60000 * minutes).toISOString().replace("Z", zone);
}

export function numbers(entry) {
  const { score, threshold, p_value: p, error } = entry;
  if (score === null || score === undefined) return error ?? "no score";
  return `score ${score.toFixed(2)}, REJECT above ${threshold.toFixed(2)} · p-value ${p.toFixed(3)}`;
}

/** The text with a capital first letter. */
export function sentence(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : "";
}
