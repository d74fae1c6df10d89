// The statistics page: an engineer sets when shifts begin and the kinds of defect.

import { post } from "./api.js";
import { showMessage } from "./notices.js";
import { sentence } from "./text.js";

const form = document.querySelector("[data-settings]");
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const [shifts, kinds] = ["shifts", "kinds"].map((name) => form.elements[name].value);
  try {
    await post("/statistics/settings", { part_type: form.dataset.partType, shifts, kinds });
    location.reload();
  } catch (error) {
    showMessage(sentence(error.message), { bad: true });
  }
});
