// The settings: nothing changes until "Done"; Esc leaves everything as it was.

import { offered } from "./server.js";
import { ownServer, save, settings } from "./settings.js";

const $ = (id) => document.getElementById(id);
const dialog = $("settings");
const TEXTS = ["server", "token", "hotwords", "prompt"];

/** Show the settings; `field`, if it is not null, gets the focus, and `problem` says what is wrong with the token. */
export function openSettings(field = null, problem = "") {
  for (const id of TEXTS) $(id).value = settings[id];
  $("translate").checked = settings.translate;
  $("translate-choice").hidden = offered()?.tasks.includes("translate") === false;
  $("diarize").checked = settings.diarize;
  $("diarize-choice").hidden = offered()?.diarization !== true;
  $("server").placeholder = ownServer();
  $("token-problem").textContent = problem;
  $("token").setAttribute("aria-invalid", String(problem !== ""));
  dialog.showModal();
  // In a field, as the browser has it, the focus brings up a phone's keyboard, which covers half of the settings.
  (field === null ? dialog : $(field)).focus();
}

/** Call `changed` whenever the person has changed the settings. */
export function onSettings(changed) {
  dialog.querySelector("form").addEventListener("submit", (event) => {
    // A browser that closes the dialog itself says so with the next frame that it draws: too late in a hidden tab.
    event.preventDefault();
    dialog.close();
    for (const id of TEXTS) settings[id] = $(id).value;
    settings.translate = $("translate").checked;
    settings.diarize = $("diarize").checked;
    save();
    changed();
  });
}

$("reset").addEventListener("click", () => {
  for (const id of TEXTS) $(id).value = "";
  $("translate").checked = false;
  $("diarize").checked = false;
});
$("cancel").addEventListener("click", () => dialog.close());
