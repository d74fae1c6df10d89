// Light or dark as it was chosen last, before anything is drawn.
try {
  const theme = localStorage.getItem("platewatch.theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // storage is closed: the system's choice holds
}
