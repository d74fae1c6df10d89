// A page that refreshes itself: the page is requested again and its content replaced.

const content = () => document.querySelector("[data-refresh]");

/** Request this page again and replace its content; open details and the focus stay. */
export async function refresh() {
  if (content().querySelector("dialog[open]")) return; // a person reads a question
  const open = [...document.querySelectorAll("details[open][id]")].map((each) => each.id);
  const focused = document.activeElement?.id;
  try {
    const response = await fetch(location.href, { credentials: "same-origin", cache: "no-store" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.querySelector("[data-refresh]");
    if (!response.ok || !fresh || fresh.innerHTML === content().innerHTML) return;
    content().replaceWith(document.adoptNode(fresh));
    open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    if (focused) document.getElementById(focused)?.focus();
  } catch {
    // connection.js reports a lost connection
  }
}

async function repeat() {
  await refresh();
  setTimeout(repeat, 1000 * Number(content().dataset.refresh));
}
setTimeout(repeat, 1000 * Number(content().dataset.refresh));
