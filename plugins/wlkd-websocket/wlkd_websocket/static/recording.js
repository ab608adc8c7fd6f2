// One recording: from the press of the button to the last word, over as many connections as it takes.
//
// The recorder starts at once, and what it hears is kept until the server has settled it: people speak when they have
// pressed the button, not when the server has answered, and go on when a connection breaks.
//
// States: connecting -> recording <-> waiting (no connection; sound is kept) <-> paused -> finishing -> ended.

import { KeptSound } from "./kept.js";
import { RATE } from "./sound.js";
import { Stream } from "./stream.js";

export const KEPT_MINUTES = 30;
const BYTES = 2; // of a sample
const MARGIN_S = 1; // silence is settled as it is heard, but speech is noticed a little after it began

export class Recording extends Stream {
  #base; // seconds of the transcript before this recording
  #sound;
  #kept = new KeptSound(KEPT_MINUTES * 60 * RATE);
  #stopRecorder = null; // null: not recording
  #first = 0; // the sample with which the server's clock began
  #next = 0; // the sample to send next
  #settled = 0; // what comes before this sample need not be sent again

  /** `url` of the WebSocket, with its query. `sound` is open, and is closed at the end. Throws SoundError: then it is closed, too. */
  constructor(url, transcript, sound) {
    super(url, "pcm", transcript);
    this.#base = transcript.end;
    this.#sound = sound;
    try {
      this.#record();
    } catch (error) {
      sound.close();
      throw error;
    }
    this.connect();
  }

  /** Seconds of the transcript's clock: where in the transcript a word said now will stand. */
  get elapsed() {
    return this.#base + this.#kept.end / RATE;
  }

  /** Loudness now, 0 to 1. */
  level() {
    return this.#stopRecorder === null ? 0 : this.#sound.level();
  }

  /** No more sound; what was said is transcribed. A second call gives up on the rest. */
  async stop() {
    if (this.state === "finishing") {
      this.end();
      return;
    }
    this.setState("finishing");
    await this.#rest();
    this.#finish();
  }

  /** Record nothing until `resume`. What was said before is transcribed, and the place at the server becomes free. */
  async pause() {
    if (["paused", "finishing", "ended"].includes(this.state)) return;
    this.setState("paused");
    await this.#rest();
    if (this.state === "paused") this.#finish();
  }

  async resume() {
    await this.#rest();
    if (this.state !== "paused") return;
    try {
      this.#record();
    } catch ({ code }) {
      this.emit("problem", { kind: code });
      await this.stop();
      return;
    }
    if (this.waits) {
      this.setState("waiting");
      return;
    }
    const goesOn = this.connection?.ready && !this.connection.ended;
    this.setState(goesOn ? "recording" : "connecting");
    // The connection before may still be finishing; then the next one follows it.
    if (this.connection === null) this.connect();
  }

  end() {
    if (this.state === "ended") return;
    super.end();
    this.#rest().then(() => this.#sound.close());
  }

  #record() {
    this.#stopRecorder = this.#sound.record((samples) => {
      this.#kept.append(samples);
      this.pump();
    });
  }

  /** Stop the recorder; its last piece has come when this is done. */
  async #rest() {
    const stop = this.#stopRecorder;
    await stop?.();
    if (this.#stopRecorder === stop) this.#stopRecorder = null;
  }

  /** All sound is there: have the rest transcribed. */
  #finish() {
    if (this.connection === null && !this.waits) this.done();
    else this.pump();
  }

  // What a Stream asks ----------------------------------------------------------------------------------------

  get isComplete() {
    return this.#stopRecorder === null;
  }

  get resumes() {
    return true;
  }

  get isOwed() {
    return this.state !== "paused" || this.#settled < this.#kept.end;
  }

  begin(config) {
    if (!config.useAudioWorklet) {
      this.refuse({ kind: "noPcm" });
      return;
    }
    if (this.continuation) {
      this.#next = this.#first + config.resume.from_bytes / BYTES;
    } else {
      // A continuation that the server cannot use settles less than its words: it would have heard them again as told.
      const told = Math.min(this.#first + Math.floor(RATE * this.transcript.committedSeconds), this.#next);
      this.#first = this.#next = Math.max(this.#settled, this.#kept.start, told);
      this.transcript.begin(this.#base + this.#first / RATE, config.target_language);
    }
    if (!["paused", "finishing"].includes(this.state)) this.setState("recording");
  }

  nextPiece() {
    const piece = this.#kept.from(this.#next);
    this.#next += piece?.length ?? 0;
    return piece;
  }

  take(message) {
    const before = this.#settled;
    this.#settled = Math.max(before, this.#first + this.#settledSamples(message));
    this.#kept.forget(this.#settled);
    return this.#settled > before;
  }

  /** What the server has settled, counted from where its clock began. */
  #settledSamples({ settled_bytes, received_seconds, remaining_time_transcription, buffer_transcription }) {
    if (settled_bytes !== undefined) return settled_bytes / BYTES;
    // A server that cannot resume: words are settled, and silence.
    const inSilence = remaining_time_transcription === 0 && !buffer_transcription;
    const heard = inSilence ? received_seconds - MARGIN_S : 0;
    return Math.floor(RATE * Math.max(this.transcript.committedSeconds, heard || 0));
  }

  waitForServer() {
    if (!["paused", "finishing"].includes(this.state)) this.setState("waiting");
  }

  /** Everything that the connection was sent is transcribed. */
  done() {
    this.#settled = Math.max(this.#settled, this.#next);
    // After a pause, more may have been said while the connection before it finished, and its last piece may still come.
    if (this.#next < this.#kept.end || !this.isComplete) this.connect();
    else if (this.state === "finishing") this.end();
  }
}
