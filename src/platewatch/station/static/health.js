// The health page refreshes itself; an engineer restarts the drift check here.

import { post } from "./api.js";
import { showMessage } from "./notices.js";
import { refresh } from "./refresh.js";
import { sentence } from "./text.js";

document.addEventListener("click", async (event) => {
  if (!event.target.closest("[data-restart-drift]")) return;
  try {
    await post("/drift/seen");
    showMessage("The drift check was restarted. This is in the record.");
  } catch (error) {
    showMessage(sentence(error.message), { bad: true });
  }
  await refresh();
});
