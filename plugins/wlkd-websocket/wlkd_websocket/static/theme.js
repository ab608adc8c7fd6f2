// Runs before the first paint, so that a dark page never flashes white.
try {
  const chosen = localStorage.getItem("wlkd.theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden; the system's theme applies.
}
