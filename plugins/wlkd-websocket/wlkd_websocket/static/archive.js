// The transcript survives a reload, a crash and a closed tab: it is kept in this browser, and nowhere else.

import { forget, keep, kept } from "./storage.js";

const EVERY_MS = 2000; // while words come

export class Archive {
  #transcript;
  #timer = null;

  /** Whether it is kept. */
  holds = false;

  /** Brings back what was kept. */
  constructor(transcript) {
    this.#transcript = transcript;
    const parts = kept("transcript");
    if (Array.isArray(parts)) transcript.restore(parts);
    this.holds = !transcript.isEmpty;
    addEventListener("pagehide", () => this.#timer !== null && this.save());
  }

  /** The transcript has changed. */
  touch() {
    this.#timer ??= setTimeout(() => this.save(), EVERY_MS);
  }

  /** Keep it as it is now. */
  save() {
    clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#transcript.isEmpty) forget("transcript");
    // Browsers keep 2 to 5 million characters, some hours with the times of all words, and days without.
    else this.holds = keep("transcript", this.#transcript) || keep("transcript", this.#transcript.withoutWords());
  }
}
