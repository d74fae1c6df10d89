// Applies the stored theme before the page is drawn.
try {
  const theme = localStorage.getItem("platewatch.theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // without storage the system's theme is used
}
