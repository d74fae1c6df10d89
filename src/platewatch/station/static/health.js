// Health renews itself; an engineer who has looked at a drift alarm says so here.

import { post } from "./api.js";
import { say } from "./notices.js";
import { renew } from "./refresh.js";
import { sentence } from "./words.js";

document.addEventListener("click", async (event) => {
  if (!event.target.closest("[data-seen]")) return;
  try {
    await post("/drift/seen");
    say("Noted in the record. The watch begins anew.");
  } catch (error) {
    say(sentence(error.message), { bad: true });
  }
  await renew();
});
