// Translation: into which language, for the next recording, and which of the two is shown, at any time.

import { languageName, t } from "./i18n.js";
import { offered } from "./server.js";
import { save, settings } from "./settings.js";

const target = document.getElementById("target");
const reading = document.getElementById("reading");
const READINGS = ["both", "spoken", "translation"];
let onReading = () => {};

function fill(select, options, chosen) {
  select.replaceChildren(...options.map(([value, name]) => new Option(name, value, false, value === chosen)));
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}

/** Offer the languages that the server translates into; nothing, where it does not translate. */
export function showTargets() {
  const codes = offered()?.target_languages ?? [];
  const named = codes.map((code) => [code, languageName(code)]).sort(([, a], [, b]) => a.localeCompare(b));
  fill(target, [["", t("noTranslation")], ...named], settings.target);
  // Before the server has answered, nothing is known to be missing.
  if (offered()) settings.target = target.value;
  fill(reading, READINGS.map((name) => [name, t(name)]), settings.reading);
  document.getElementById("target-choice").hidden = codes.length === 0;
}

/** What to show is asked where there is something to choose. */
export function showReading(translated) {
  const offers = translated || settings.target !== "";
  document.getElementById("reading-choice").hidden = !offers;
  document.documentElement.dataset.reading = translated ? settings.reading : "spoken";
}

/** What is shown, and saved: `both`, `spoken` or `translation`. */
export const shownReading = () => document.documentElement.dataset.reading;

/** The language is for the next recording. */
export function lockTarget(locked) {
  target.disabled = locked;
}

/** Call `changed` whenever the person wants to read something else. */
export function whenReadingChanges(changed) {
  onReading = changed;
}

for (const [select, key] of [[target, "target"], [reading, "reading"]]) {
  select.addEventListener("change", () => {
    settings[key] = select.value;
    save();
    onReading();
  });
}
