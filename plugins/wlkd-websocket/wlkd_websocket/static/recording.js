// One recording: from the press of the button to the last word, over as many connections as it takes.
//
// The recorder starts at once and what it hears is kept until a connection takes it: people speak when they have
// pressed the button, not when the server has answered.
//
// States: connecting -> recording <-> waiting (the connection is lost, audio is kept) -> finishing -> ended.

import { Microphone, container } from "./microphone.js";

const KEPT_MS = 60_000; // audio kept while there is no connection
const FIRST_WAIT_S = 0.5;
const LONGEST_WAIT_S = 10;

// The server means it: the same request would be refused again.
const FINAL_CODES = ["bad_request", "unauthorized", "undecodable_audio"];

/** Ask by plain HTTP why a WebSocket was refused: browsers do not tell. Null: no answer. */
async function refusalReason(url) {
  const http = new URL(url);
  http.protocol = http.protocol === "wss:" ? "https:" : "http:";
  if (http.origin !== location.origin) return null; // forbidden by this page's own policy
  try {
    const response = await fetch(http, { headers: { Accept: "application/json" } });
    if (![401, 403, 503].includes(response.status)) return null;
    const { code, message } = await response.json();
    return { code, message, retryAfter: Number(response.headers.get("Retry-After")) || null };
  } catch {
    return null;
  }
}

export class Recording extends EventTarget {
  state = "connecting";
  #url;
  #transcript;
  #offset;
  #microphone;
  #socket = null;
  #answered = false; // the current connection sent its config message
  #served = false; // some connection did
  #raw = container() === null; // whether raw PCM is recorded; a guess until the server says what it wants
  #recorder = null; // resolves to the function that stops it
  #kept = []; // pieces recorded while there is no connection
  #keptSince = 0;
  #startedAt = performance.now();
  #partOffset = 0;
  #attempts = 0;
  #retryTimer = null;
  #ending = false;
  #refusal = null;

  /** `url` of the WebSocket, with its query. `microphone` is open and is closed at the end. */
  constructor(url, transcript, microphone) {
    super();
    this.#url = new URL(url);
    if (this.#raw) this.#url.searchParams.set("format", "pcm");
    this.#transcript = transcript;
    this.#offset = transcript.end;
    this.#microphone = microphone;
    this.#startRecorder();
    this.#connect();
  }

  /** Seconds since the start. */
  get elapsed() {
    return (performance.now() - this.#startedAt) / 1000;
  }

  /** Call `callback` when the device disappears. */
  onMicrophoneLost(callback) {
    this.#microphone.onlost = callback;
  }

  /** Loudness now, 0 to 1. */
  level() {
    return this.state === "ended" ? 0 : this.#microphone.level();
  }

  /** No more audio; what was said is transcribed. A second call gives up on the rest. */
  async stop() {
    if (this.#ending) {
      this.#end();
      return;
    }
    this.#ending = true;
    this.#setState("finishing");
    await this.#stopRecorder();
    if (!this.#served) this.#end();
    else if (this.#answered) this.#socket.send(new ArrayBuffer(0));
    else this.retryNow();
  }

  retryNow() {
    if (this.#retryTimer === null) return;
    clearTimeout(this.#retryTimer);
    this.#connect();
  }

  #connect() {
    this.#retryTimer = null;
    this.#answered = false;
    this.#refusal = null;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#socket === socket && this.#take(JSON.parse(data));
    socket.onclose = () => this.#socket === socket && this.#lost();
  }

  #take(message) {
    switch (message.type) {
      case "config":
        this.#begin(message.useAudioWorklet);
        break;
      case "transcript_update":
        this.#transcript.update(message);
        this.#emit("update", message);
        break;
      case "ready_to_stop":
        this.#end();
        break;
      case "error":
        this.#refusal = message;
        break;
    }
  }

  /** The server is ready: send what was kept, then what is being recorded. */
  async #begin(raw) {
    const socket = this.#socket;
    this.#attempts = 0;
    this.#served = true;
    if (raw !== this.#raw) {
      this.#raw = raw;
      await this.#restartRecorder();
      if (this.#socket !== socket || this.state === "ended") return;
    }
    this.#answered = true;
    this.#transcript.begin(this.#partOffset);
    for (const piece of this.#kept.splice(0)) socket.send(piece);
    if (this.#ending) socket.send(new ArrayBuffer(0));
    else this.#setState("recording");
  }

  #startRecorder() {
    this.#partOffset = this.#offset + this.elapsed;
    this.#keptSince = performance.now();
    this.#recorder = this.#microphone.record(this.#raw, (piece) => this.#send(piece));
  }

  async #stopRecorder() {
    const recorder = this.#recorder;
    this.#recorder = null;
    const stop = await recorder;
    await stop?.();
  }

  #send(piece) {
    if (this.#answered) this.#socket.send(piece);
    else if (performance.now() - this.#keptSince < KEPT_MS) this.#kept.push(piece);
    else this.#restartRecorder(); // a stream cannot be cut in front: forget the old one
  }

  /** A new connection needs a stream from its beginning. */
  async #restartRecorder() {
    if (this.#recorder === null || this.#ending) return;
    await this.#stopRecorder();
    this.#kept = [];
    if (!this.#ending) this.#startRecorder();
  }

  async #lost() {
    const wasServed = this.#answered;
    this.#answered = false;
    const reason = this.#refusal ?? (wasServed ? null : await refusalReason(this.#url));
    if (this.state === "ended") return;
    if (wasServed) this.#transcript.seal();
    if (reason && FINAL_CODES.includes(reason.code)) {
      this.#emit("problem", { kind: reason.code === "unauthorized" ? "unauthorized" : "refused", ...reason });
      this.#end();
      return;
    }
    if (this.#ending && wasServed) {
      this.#emit("problem", { kind: "lostTail" });
      this.#end();
      return;
    }
    const seconds = reason?.retryAfter ?? Math.min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** this.#attempts++);
    const kinds = { server_full: "full", draining: "draining" };
    const kind = kinds[reason?.code] ?? (reason ? "failed" : !this.#served ? "unreachable" : "lost");
    this.#emit("problem", { kind, seconds, message: reason?.message, url: this.#url.origin + this.#url.pathname });
    if (!this.#ending) this.#setState("waiting");
    this.#retryTimer = setTimeout(() => this.#connect(), seconds * 1000);
    if (wasServed) await this.#restartRecorder();
  }

  #end() {
    if (this.state === "ended") return;
    this.#setState("ended");
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    this.#transcript.seal();
    this.#socket.close();
    this.#microphone.close();
  }

  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.#emit("state");
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Open the microphone and begin. Throws MicrophoneError. */
export async function record(url, transcript, deviceId) {
  return new Recording(url, transcript, await Microphone.open(deviceId));
}
