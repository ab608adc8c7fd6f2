// Who speaks: a colour for each speaker, and a name, which the person can change.

import { t } from "./i18n.js";

const COLOURS = 8; // in the style sheet; a ninth speaker has the first one's, and another name

let names = {};

/** All names that were given: another object after each change. */
export const speakerNames = () => names;

/** What `speaker`, a number of the server's, is called. */
export function speakerName(speaker) {
  return names[speaker] || t("speaker", { n: speaker > 0 ? speaker : "?" });
}

/** The number of his colour. */
export function speakerColour(speaker) {
  return speaker > 0 ? ((speaker - 1) % COLOURS) + 1 : 0;
}

/** Ask for another name; says whether there is one. */
export function renameSpeaker(speaker) {
  const name = prompt(t("renameSpeaker", { name: speakerName(speaker) }), speakerName(speaker));
  if (name === null) return false;
  names = { ...names, [speaker]: name.trim() };
  return true;
}

/** Other people may speak next. Returns the names there were, for `restoreSpeakers`. */
export function forgetSpeakers() {
  const before = names;
  names = {};
  return before;
}

export function restoreSpeakers(before) {
  names = before;
}
