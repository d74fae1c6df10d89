// A page of figures that renews itself: the same page is asked for again and its middle put in place.

const every = 1000 * Number(document.querySelector("[data-refresh]").dataset.refresh);

export async function renew() {
  const open = new Set([...document.querySelectorAll("details[open][id]")].map((each) => each.id));
  const focused = document.activeElement?.id;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin", cache: "no-store" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-refresh]");
    if (!fresh) return;
    document.querySelector("[data-refresh]").replaceWith(fresh);
    open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    if (focused) document.getElementById(focused)?.focus();
  } catch {
    // the notice about the connection says it
  }
}

setInterval(renew, every);
