// Transcripts of tabs that were closed: a new tab brings back the last one by itself, and has a list of the others.

import { earlierTranscripts } from "./archive.js";
import { clock, make } from "./lines.js";
import { moveTo } from "./place.js";

const SHOWN_CHARACTERS = 100; // of its beginning

const box = document.getElementById("earlier");
const list = box.querySelector("ul");

function makeItem([place, transcript]) {
  const button = make("button", "");
  button.type = "button";
  const words = make("span", "", transcript.lines.map(({ text }) => text ?? "").join("").trim().slice(0, SHOWN_CHARACTERS));
  words.dir = "auto";
  button.append(`${clock(transcript.end)} `, words);
  button.addEventListener("click", () => moveTo(place));
  const item = make("li", "");
  item.append(button);
  return item;
}

/** Look for them again. */
export async function findEarlier() {
  list.replaceChildren();
  for await (const earlier of earlierTranscripts()) list.append(makeItem(earlier));
}

/** `allowed`: the transcript that is shown now can be left. */
export function showEarlier(allowed) {
  box.hidden = !allowed || list.children.length === 0;
}
