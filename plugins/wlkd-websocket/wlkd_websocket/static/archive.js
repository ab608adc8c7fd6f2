// The transcript survives a reload, a crash and a closed tab: it is kept in this browser, and nowhere else. The names of
// its speakers are kept with it.

import { keyAt, notePlace, ownPlace, takePlace } from "./place.js";
import { restoreSpeakers, speakerNames } from "./speakers.js";
import { forget, keep, kept } from "./storage.js";

const EVERY_MS = 2000; // while words come

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
    addEventListener("pagehide", () => this.#timer !== null && this.save());
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
    const parts = kept(this.#key("transcript"));
    if (Array.isArray(parts)) this.#transcript.restore(parts);
    restoreSpeakers(kept(this.#key("speakers")) ?? {});
    this.holds = !this.#transcript.isEmpty;
  }

  #key(name) {
    return keyAt(name, this.#place);
  }

  /** The transcript has changed. */
  touch() {
    this.#timer ??= setTimeout(() => this.save(), EVERY_MS);
  }

  /** Keep it as it is now. */
  save() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const key = this.#key("transcript");
    if (this.#transcript.isEmpty) {
      forget(key);
      forget(this.#key("speakers"));
      return;
    }
    notePlace(this.#place);
    keep(this.#key("speakers"), speakerNames());
    // Browsers keep 2 to 5 million characters, some hours with the times of all words, and days without.
    this.holds = keep(key, this.#transcript) || keep(key, this.#transcript.withoutWords());
  }
}
