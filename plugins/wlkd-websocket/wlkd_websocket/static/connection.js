// One WebSocket to `/asr`, from its opening to its end. It ends once: well (`done`), or not (`lost`).

const LOOK_EVERY_MS = 5_000; // whether the server has said anything; if not, it is asked
const GIVE_UP_AFTER_MS = 10_000; // without an answer
const CONNECT_WITHIN_MS = 15_000; // to the server's first message; a browser itself waits for minutes

/** Ask by plain HTTP why a WebSocket was refused: browsers do not tell. Null: no answer. */
async function refusal(url) {
  const http = new URL(url);
  http.protocol = http.protocol === "wss:" ? "https:" : "http:";
  if (http.origin !== location.origin) return null; // forbidden by this page's own policy
  try {
    const signal = AbortSignal.timeout(GIVE_UP_AFTER_MS);
    const response = await fetch(http, { headers: { Accept: "application/json" }, signal });
    if (![401, 403, 503].includes(response.status)) return null;
    const { code, message } = await response.json();
    return { code, message, retryAfter: Number(response.headers.get("Retry-After")) || null };
  } catch {
    return null;
  }
}

export class Connection {
  #socket;
  #url;
  #on;
  #over = false;
  #closed = false; // by whoever opened it
  #heard = false; // anything, since the last look
  #askedAt = null; // when the server was asked whether it is there, until it says something
  #watch;

  /** The server is ready for sound. */
  ready = false;
  /** The end of the sound has been sent. */
  ended = false;

  /**
   * `on` has functions: `ready(config)`; `update(message)`; `done()` after the last word; `lost(reason)`, where `reason`
   * is `{code, message, retryAfter}` or null when nobody said why. With `continuation` it goes on with an earlier one.
   */
  constructor(url, continuation, on) {
    this.#url = url;
    this.#on = on;
    try {
      this.#socket = new WebSocket(url);
    } catch {
      // Forbidden on a page that came over TLS itself. Said once whoever opens it is there to hear it.
      queueMicrotask(() => this.#lose({ code: "insecure" }));
      return;
    }
    this.#socket.onmessage = ({ data }) => this.#over || this.#take(JSON.parse(data));
    if (continuation) this.#socket.onopen = () => this.#socket.send(JSON.stringify({ type: "resume", continuation }));
    this.#socket.onclose = () => this.#lose(null);
    this.#watch = setTimeout(() => this.#lose(null), CONNECT_WITHIN_MS);
  }

  /** Bytes that wait in the browser to be sent. */
  get buffered() {
    return this.#socket.bufferedAmount;
  }

  /** Send a piece of sound: an Int16Array or a Blob, not empty. */
  send(piece) {
    this.#socket.send(piece);
  }

  /** No more sound comes on this connection. */
  end() {
    this.ended = true;
    this.#socket.send(new ArrayBuffer(0));
  }

  /** Go away without a word; no function is called any more. */
  close() {
    this.#closed = true;
    this.#leave();
  }

  #leave() {
    this.#over = true;
    this.ready = false;
    clearInterval(this.#watch); // or the timeout: they share their numbers
    this.#socket?.close();
  }

  #take(message) {
    this.#heard = true;
    this.#askedAt = null;
    switch (message.type) {
      case "config":
        this.ready = true;
        clearTimeout(this.#watch);
        if (message.ping) this.#watch = setInterval(() => this.#look(), LOOK_EVERY_MS);
        this.#on.ready(message);
        break;
      case "transcript_update":
        this.#on.update(message);
        break;
      case "ready_to_stop":
        this.close();
        this.#on.done();
        break;
      case "moving": // the server stops; another one goes on
        this.#lose({ ...message, code: "moving" });
        break;
      case "error":
        // What is sent from here on would be lost: the server has stopped taking sound.
        this.#lose(message);
        break;
    }
  }

  /** A network that dies silently closes nothing. */
  #look() {
    if (this.#askedAt !== null) {
      if (performance.now() - this.#askedAt >= GIVE_UP_AFTER_MS) this.#lose(null);
    } else if (!this.#heard) {
      this.#askedAt = performance.now();
      this.#socket.send("ping");
    }
    this.#heard = false;
  }

  async #lose(reason) {
    if (this.#over) return;
    const wasReady = this.ready;
    this.#leave();
    const why = reason ?? (wasReady ? null : await refusal(this.#url));
    if (!this.#closed) this.#on.lost(why);
  }
}
