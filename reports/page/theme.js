// Runs before the page is painted, so that it never flashes in the other theme.
document.documentElement.classList.add("scripted");
try {
  const chosen = localStorage.getItem("benchsweep-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch { /* storage may be closed to a local file: the system's theme it is */ }
