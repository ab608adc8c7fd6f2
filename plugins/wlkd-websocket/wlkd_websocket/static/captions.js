// The caption view: the last words in big letters for a projector. `?view=captions` opens the page in it.

import { save, settings } from "./settings.js";

const SIZES = [0.6, 0.75, 1, 1.3, 1.7];
const root = document.documentElement;
const $ = (id) => document.getElementById(id);

function show(captions) {
  if (captions) root.dataset.view = "captions";
  else delete root.dataset.view;
  const url = new URL(location);
  if (captions) url.searchParams.set("view", "captions");
  else url.searchParams.delete("view");
  history.replaceState(null, "", url);
  if (!captions && document.fullscreenElement) document.exitFullscreen();
  $(captions ? "captions-leave" : "captions").focus();
}

function resize(step) {
  const index = Math.min(SIZES.length - 1, Math.max(0, SIZES.indexOf(settings.captionSize) + step));
  settings.captionSize = SIZES[index];
  root.style.setProperty("--caption-size", settings.captionSize);
  // Not `disabled`, which would lose the focus: the next press of the space bar would record.
  $("captions-smaller").setAttribute("aria-disabled", index === 0);
  $("captions-larger").setAttribute("aria-disabled", index === SIZES.length - 1);
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else root.requestFullscreen();
}

if (!SIZES.includes(settings.captionSize)) settings.captionSize = 1;
resize(0);
$("captions").addEventListener("click", () => show(true));
$("captions-leave").addEventListener("click", () => show(false));
$("captions-full").addEventListener("click", toggleFullScreen);
document.addEventListener("keydown", ({ key }) => {
  // Before that, it leaves the full screen, and the settings.
  const leaves = document.fullscreenElement === null && !$("settings").open;
  if (key === "Escape" && root.dataset.view === "captions" && leaves) show(false);
});
// Phones have no full screen for pages.
$("captions-full").hidden = root.requestFullscreen === undefined;
for (const [id, step] of [["captions-smaller", -1], ["captions-larger", 1]]) {
  $(id).addEventListener("click", () => {
    resize(step);
    save();
  });
}
