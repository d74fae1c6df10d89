// Questions that are asked once before something changes: a button with data-ask opens the dialog of that name.

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-ask]");
  if (button && !button.disabled) document.getElementById(`ask-${button.dataset.ask}`)?.showModal();
});

/** Open the question that a button asks, as a key does. */
export const ask = (selector) => document.querySelector(`${selector}:not(:disabled)`)?.click();
