// The report's one button.

import { bind } from "./keys.js";

document.querySelector("[data-print]").addEventListener("click", () => print());
bind({ key: "p", word: "Print", legend: true, does: () => print() });
