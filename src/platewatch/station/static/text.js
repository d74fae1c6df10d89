// Plates, times and numbers as text.

const NOT_READABLE = "Not readable"; // in place of a verdict, as in platewatch/inspection.py

export const outcomeOf = (entry) => entry.verdict ?? "FAILED"; // for colours and shapes
export const verdictText = (entry) => entry.verdict ?? NOT_READABLE;
export const nameOf = (entry) => entry.plate_id || `No. ${entry.number}`;

export function duration(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

export const clock = (moment) => new Date(moment).toLocaleTimeString("en-GB");
export const dated = (moment) => new Date(moment).toLocaleString("en-GB");

export function numbers(entry) {
  const { score, threshold, p_value: p, error } = entry;
  if (score === null || score === undefined) return error ?? "no score";
  return `score ${score.toFixed(2)}, REJECT above ${threshold.toFixed(2)} · p-value ${p.toFixed(3)}`;
}

/** The text with a capital first letter. */
export function sentence(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : "";
}
