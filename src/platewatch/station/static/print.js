// The report's print button.

import { bind } from "./keys.js";

document.querySelector("[data-print]").addEventListener("click", () => print());
bind({ key: "p", text: "Print", legend: true, run: () => print() });
