// What a recording and an upload share: sound goes to the server over as many connections as it takes.
//
// Events: `state`; `update` with the server's message; `problem` with what `trouble` says, and the `url` that was asked.

import { Connection } from "./connection.js";
import { trouble } from "./trouble.js";

const MAX_BUFFERED_BYTES = 2 ** 18; // what the browser is given to send at once
const LOOK_AGAIN_MS = 50;
// Errors after which a stream can go on where it was. Nobody else has our continuation: what took a stream over is a
// connection that we gave up, and that came late.
const SAYS_NOTHING_OF_THE_STREAM = ["server_full", "draining", "idle_timeout", "taken_over"];

/**
 * A subclass calls `connect()` and has: `begin(config)`; `nextPiece()`, null when there is none now; `isComplete`, no more
 * pieces will come; `resumes`, it can go on in the middle; `isOwed`, a lost connection must be made again; `waitForServer()`; `take(message)`, whether it tells of progress; `done()`.
 */
export class Stream extends EventTarget {
  state = "connecting";
  /** The present connection, or null. */
  connection = null;
  /** What the next connection goes on with; null: it begins anew. */
  continuation = null;
  #url;
  #served = false; // some connection was ready
  #attempts = 0; // in vain, since something was done
  #retryTimer = null;
  #pumpTimer = null;

  constructor(url, format, transcript) {
    super();
    this.#url = new URL(url);
    this.#url.searchParams.set("format", format);
    this.transcript = transcript;
  }

  /** Whether a new connection will be made after a while. */
  get waits() {
    return this.#retryTimer !== null;
  }

  /** Connect, now that the network may be back: an attempt that has no answer yet may never get one. */
  retryNow() {
    if (this.connection && !this.connection.ready) this.connection.close();
    else if (!this.waits) return;
    clearTimeout(this.#retryTimer);
    this.connect();
  }

  connect() {
    this.#retryTimer = null;
    if (this.resumes) this.#url.searchParams.set("resume", this.continuation ? "continue" : "true");
    this.connection = new Connection(this.#url, this.continuation, {
      ready: (config) => {
        this.#served = true;
        this.begin(config);
        this.pump();
      },
      update: (message) => {
        this.continuation = message.continuation ?? null;
        this.transcript.update(message);
        // Not each update is progress: a server that fails on this sound sends some before it does.
        if (this.take(message)) this.#attempts = 0;
        this.emit("update", message);
      },
      done: () => {
        this.connection = this.continuation = null;
        this.#attempts = 0;
        this.done();
      },
      lost: (reason) => this.#lost(reason),
    });
  }

  /** Send what is due, as fast as the browser gets it away. */
  pump() {
    clearTimeout(this.#pumpTimer);
    if (!this.connection?.ready || this.connection.ended) return;
    while (this.connection.buffered < MAX_BUFFERED_BYTES) {
      const piece = this.nextPiece();
      if (piece === null) {
        if (this.isComplete) this.connection.end();
        return;
      }
      this.connection.send(piece);
    }
    this.#pumpTimer = setTimeout(() => this.pump(), LOOK_AGAIN_MS);
  }

  #lost(reason) {
    this.connection = null;
    if (reason?.type === "error" && !SAYS_NOTHING_OF_THE_STREAM.includes(reason.code)) this.continuation = null;
    const problem = trouble(reason, this.#attempts++, this.#served);
    if (problem.seconds === null) {
      this.refuse(problem);
    } else if (this.isOwed) {
      this.#retryTimer = setTimeout(() => this.connect(), problem.seconds * 1000);
      this.waitForServer();
      // What is tried again at once is over before anybody has read it.
      if (problem.seconds > 0) this.emit("problem", { ...problem, url: this.#url.origin + this.#url.pathname });
    }
  }

  refuse(problem) {
    this.emit("problem", problem);
    this.end();
  }

  /** Over: what is not yet transcribed is given up. */
  end() {
    if (this.state === "ended") return;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#pumpTimer);
    this.#retryTimer = null;
    this.connection?.close();
    this.connection = null;
    this.transcript.seal();
    this.setState("ended");
  }

  setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.emit("state");
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
