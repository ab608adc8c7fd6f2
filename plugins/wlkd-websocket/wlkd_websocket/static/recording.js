// One recording: from the press of the button to the last word, over as many connections as it takes.
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
  #raw = null; // whether the server wants raw PCM; null: not known yet
  #stopRecorder = null;
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
    if (container() === null) {
      this.#url.searchParams.set("format", "pcm");
    }
    this.#transcript = transcript;
    this.#offset = transcript.end;
    this.#partOffset = this.#offset;
    this.#microphone = microphone;
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
    await this.#stopRecorder?.();
    this.#stopRecorder = null;
    if (this.#raw === null) this.#end();
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
    this.#answered = true;
    this.#attempts = 0;
    this.#transcript.begin(this.#partOffset);
    if (raw !== this.#raw && this.#raw !== null) {
      // Another kind of server took over; what was kept means nothing to it.
      this.#kept = [];
      await this.#stopRecorder?.();
      this.#stopRecorder = null;
    }
    this.#raw = raw;
    for (const piece of this.#kept.splice(0)) this.#socket.send(piece);
    if (this.#ending) {
      this.#socket.send(new ArrayBuffer(0));
      return;
    }
    this.#setState("recording");
    if (!this.#stopRecorder) await this.#startRecorder();
  }

  async #startRecorder() {
    this.#partOffset = this.#offset + this.elapsed;
    this.#keptSince = performance.now();
    this.#stopRecorder = await this.#microphone.record(this.#raw, (piece) => this.#send(piece));
  }

  #send(piece) {
    if (this.#answered) this.#socket.send(piece);
    else if (performance.now() - this.#keptSince < KEPT_MS) this.#kept.push(piece);
    else this.#restartRecorder(); // a stream cannot be cut in front: forget the old one
  }

  /** A new connection needs a stream from its beginning. */
  async #restartRecorder() {
    const stop = this.#stopRecorder;
    this.#stopRecorder = null;
    this.#kept = [];
    if (this.#raw === null || this.#ending) return;
    await stop?.();
    this.#kept = [];
    if (!this.#ending) await this.#startRecorder();
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
    const kind = kinds[reason?.code] ?? (reason ? "failed" : this.#raw === null ? "unreachable" : "lost");
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
