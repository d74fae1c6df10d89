// A page of figures that renews itself: the same page is asked for again and its middle put in place.

const middle = () => document.querySelector("[data-refresh]");

/** Ask for this page again and show its middle, open details and focus kept. */
export async function renew() {
  const open = [...document.querySelectorAll("details[open][id]")].map((each) => each.id);
  const focused = document.activeElement?.id;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin", cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-refresh]");
    if (!answer.ok || !fresh || fresh.innerHTML === middle().innerHTML) return;
    middle().replaceWith(document.adoptNode(fresh));
    open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    if (focused) document.getElementById(focused)?.focus();
  } catch {
    // the notice about the connection says it
  }
}

async function keepFresh() {
  await renew();
  setTimeout(keepFresh, 1000 * Number(middle().dataset.refresh));
}
setTimeout(keepFresh, 1000 * Number(middle().dataset.refresh));
