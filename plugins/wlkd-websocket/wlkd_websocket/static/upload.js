// A file instead of a microphone: sent as fast as the server takes it, with the words as they come. Where a connection
// breaks, the file is sent again from its beginning.
//
// States: connecting -> uploading <-> waiting -> ended. It has the methods of a Recording.

import { Stream } from "./stream.js";

const PIECE_BYTES = 2 ** 16;
const LEAST_PROGRESS = 0.01; // of a file; less is none

/** Seconds of sound in `file`, or null where this browser cannot tell. */
function duration(file) {
  const sound = new Audio();
  const address = URL.createObjectURL(file);
  return new Promise((resolve) => {
    sound.onloadedmetadata = () => resolve(Number.isFinite(sound.duration) ? sound.duration : null);
    sound.onerror = () => resolve(null);
    sound.preload = "metadata";
    sound.src = address;
  }).finally(() => URL.revokeObjectURL(address));
}

export class Upload extends Stream {
  /** How much is done, 0 to 1. */
  progress = 0;
  #base;
  #file;
  #seconds = null;
  #sent = 0; // bytes
  #begun = false;
  #furthest = 0; // progress of all connections

  constructor(url, transcript, file) {
    super(url, "container", transcript);
    this.#base = transcript.end;
    this.#file = file;
    duration(file).then((seconds) => (this.#seconds = seconds));
    this.connect();
  }

  /** The file's name. */
  get name() {
    return this.#file.name;
  }

  /** Where in the transcript the words stand that come now, in seconds. */
  get elapsed() {
    return this.transcript.end;
  }

  level() {
    return 0;
  }

  /** Give up on the rest; the words so far stay. */
  stop() {
    this.end();
  }

  get isComplete() {
    return this.#sent === this.#file.size;
  }

  get resumes() {
    return false; // most containers cannot be cut
  }

  get isOwed() {
    return true;
  }

  begin(config) {
    if (this.#begun) this.transcript.restart();
    else this.transcript.begin(this.#base, config.target_language);
    this.#begun = true;
    this.#sent = 0;
    this.setState("uploading");
  }

  nextPiece() {
    if (this.isComplete) return null;
    const piece = this.#file.slice(this.#sent, this.#sent + PIECE_BYTES);
    this.#sent += piece.size;
    return piece;
  }

  take({ received_seconds: received, remaining_time_transcription: lag }) {
    const done = this.#seconds ? (received - lag) / this.#seconds : this.#sent / this.#file.size;
    this.progress = Math.min(1, Math.max(0, done || 0));
    // The same place is told a little differently each time.
    if (this.progress < this.#furthest + LEAST_PROGRESS) return false;
    this.#furthest = this.progress;
    return true;
  }

  waitForServer() {
    this.setState("waiting");
  }

  done() {
    this.end();
  }
}
