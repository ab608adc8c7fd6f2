// Runs before the first paint, so that a dark page never flashes white, and captions are big from the start.
try {
  const chosen = JSON.parse(localStorage.getItem("wlkd.theme"));
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden, or hold what an older version wrote; the system's theme applies.
}
if (new URLSearchParams(location.search).get("view") === "captions") document.documentElement.dataset.view = "captions";
