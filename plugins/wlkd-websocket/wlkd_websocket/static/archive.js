// The transcript survives a reload, a crash and a closed tab: it is kept in this browser, and nowhere else. The names of
// its speakers are kept with it.

import { keyAt, leftPlaces, notePlace, ownPlace, takePlace } from "./place.js";
import { restoreSpeakers, speakerNames } from "./speakers.js";
import { forget, keep, kept } from "./storage.js";
import { Transcript, withChanges } from "./transcript.js";

const EVERY_MS = 2000; // while words come
const MOST_NEW_LINES = 100; // that are kept beside the others, before all are written again: some minutes of speech

function bringBack(transcript, place) {
  const parts = kept(keyAt("transcript", place));
  const changes = kept(keyAt("changes", place));
  if (Array.isArray(parts)) transcript.restore(changes ? withChanges(parts, changes) : parts);
}

/** `[place, transcript]` of tabs that were closed, the last one first. */
export async function* earlierTranscripts() {
  for (const place of await leftPlaces()) {
    // To read many long ones takes a phone a quarter of a second: what is pressed meanwhile comes first.
    await new Promise((resolve) => setTimeout(resolve));
    const transcript = new Transcript();
    bringBack(transcript, place);
    yield [place, transcript];
  }
}

export class Archive {
  #transcript;
  #place = ownPlace();
  #timer = null;

  /** Whether it is kept. */
  holds = false;

  /** Brings back what this tab kept before a reload. */
  constructor(transcript) {
    this.#transcript = transcript;
    if (this.#place !== null) this.#bringBack();
    addEventListener("pagehide", () => this.#timer !== null && this.#saveNew());
  }

  /** Make sure that no other tab keeps its transcript in the same place. A new tab brings back what a closed one kept. */
  async open() {
    const before = this.#place;
    this.#place = await takePlace();
    if (before === null) this.#bringBack();
    // A copy of a tab, which has its storage too, goes on by itself.
    else if (before !== this.#place) this.save();
  }

  #bringBack() {
    bringBack(this.#transcript, this.#place);
    restoreSpeakers(kept(this.#key("speakers")) ?? {});
    this.holds = !this.#transcript.isEmpty;
  }

  #key(name) {
    return keyAt(name, this.#place);
  }

  /** The transcript has changed. */
  touch() {
    this.#timer ??= setTimeout(() => this.#saveNew(), EVERY_MS);
  }

  /** Keep what is new, beside the rest: to write all of a long meeting takes as long as it is. */
  #saveNew() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const changes = this.#transcript.changes;
    const few = changes?.parts.reduce((sum, { lines }) => sum + lines.length, 0) <= MOST_NEW_LINES;
    if (!few || !keep(this.#key("changes"), changes)) this.save();
  }

  /** Keep it as it is now. */
  save() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const key = this.#key("transcript");
    if (this.#transcript.isEmpty) {
      for (const name of ["transcript", "changes", "speakers"]) forget(this.#key(name));
      return;
    }
    notePlace(this.#place);
    keep(this.#key("speakers"), speakerNames());
    // Browsers keep 2 to 5 million characters, some hours with the times of all words, and days without.
    this.holds = keep(key, this.#transcript) || keep(key, this.#transcript.withoutWords());
    if (!this.holds) return;
    forget(this.#key("changes"));
    this.#transcript.noteKept();
  }
}
