// Runs before the first paint, so that the page never flashes in the other theme.
document.documentElement.classList.add("scripted");
try {
  const chosen = localStorage.getItem("benchsweep-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch { /* without access to storage, as in a local file, the page follows the system's theme */ }
