// The health page refreshes itself; a person ends an alarm, an engineer restarts the drift check here.

import { post } from "./api.js";
import { showMessage } from "./notices.js";
import { refresh } from "./refresh.js";
import { sentence } from "./text.js";

document.addEventListener("click", async (event) => {
  const isAlarm = event.target.closest("[data-alarm-seen]") !== null;
  if (!isAlarm && !event.target.closest("[data-restart-drift]")) return;
  try {
    await post(isAlarm ? "/alarms/seen" : `/drift/seen?part_type=${encodeURIComponent(document.querySelector("[data-of]").dataset.of)}`);
    showMessage(`${isAlarm ? "The alarm was ended" : "The drift check was restarted"}. This is in the record.`);
  } catch (error) {
    showMessage(sentence(error.message), { bad: true });
  }
  await refresh();
});
