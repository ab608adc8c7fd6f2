// The text of all recordings since the page was opened or cleared. Each connection to the server counts its time
// from its own start; here all of them lie on one clock, and what one connection said outlives it.

/** Seconds in "H:MM:SS", for servers that send nothing finer. */
function clockSeconds(text) {
  return text.split(":").reduce((total, part) => total * 60 + Number(part), 0);
}

/** The same, `seconds` later. */
function later(span, seconds) {
  return { ...span, start: span.start + seconds, end: span.end + seconds };
}

/** `lines` of a connection with the words that each is made of; where words are missing, a line is one word. */
function withWords(lines, words) {
  let next = 0;
  return lines.map((line) => {
    const own = [];
    while (next < words.length && words[next].start < line.start) next++;
    while (next < words.length && words[next].end <= line.end) own.push(words[next++]);
    const complete = own.map((word) => word.text).join("") === line.text;
    const whole = { text: line.text, start: line.start, end: line.end, confidence: null };
    return { ...line, words: complete ? own : [whole] };
  });
}

/** `parts`, as they were kept, with the `changes` since then. */
export function withChanges(parts, { part, line, word, parts: [first, ...later] }) {
  const before = parts[part] ?? { lines: [], words: [] }; // other tabs write here where browsers have no locks
  const lines = [...before.lines.slice(0, line), ...first.lines];
  const words = [...before.words.slice(0, word), ...first.words];
  return [...parts.slice(0, part), { ...first, lines, words }, ...later];
}

const SAID = ["text", "start", "end", "speaker", "language", "unconfirmed", "translation", "target"];

/** Whether two lines are the same to a reader. */
export const sameLine = (one, other) => SAID.every((key) => one[key] === other[key]);

export class Transcript {
  /** @type {{offset: number, target: string | null, others: number, lines: object[], words: object[], tail: string, draft: string}[]} */
  #parts = [];
  #kept = null; // `{part, line, word}`: what comes before these numbers is what it was at the last `noteKept`

  /** A new connection begins; its second 0 is second `offset` of the transcript. `target`: the language that it is
   * translated into, or null. */
  begin(offset, target = null) {
    // The tail of the connection before was never confirmed, and its sound is sent again.
    if (this.#parts.length) Object.assign(this.#parts.at(-1), { tail: "", draft: "" });
    // The server numbers its speakers anew, and nobody knows whether its first one is the one who spoke first before.
    const others = Math.max(0, ...this.#parts.flatMap(({ lines }) => lines.map(({ speaker }) => speaker ?? 0)));
    this.#parts.push({ offset, target, others, lines: [], words: [], tail: "", draft: "" });
  }

  /** Take an update of the current connection. */
  update(message) {
    const part = this.#parts.at(-1);
    // Without diarization every line says 1, and means nobody.
    part.diarized ||= (message.new_words ?? []).some((word) => word.speaker !== undefined);
    const lines = message.lines.map((line) => ({
      start: line.start_seconds ?? clockSeconds(line.start),
      end: line.end_seconds ?? clockSeconds(line.end),
      text: line.speaker === -2 ? null : line.text,
      speaker: part.diarized && line.speaker !== -2 ? line.speaker + (line.speaker > 0 ? part.others : 0) : null,
      language: line.detected_language ?? null,
      translation: line.translation ?? "",
      translations: line.translations ?? [],
      target: part.target,
    }));
    // A connection that goes on says its lines from the first one on that may still change.
    const first = message.first_line ?? 0;
    const before = part.lines.slice(first);
    part.lines = [...part.lines.slice(0, first), ...lines];
    const same = lines.findIndex((line, n) => n >= before.length || !sameLine(line, before[n]));
    this.#changed(first + (same < 0 ? lines.length : same));
    // Words that wait for their speaker are final, and shown with those that are not.
    part.tail = (message.buffer_diarization ?? "") + message.buffer_transcription;
    // What the sentence that goes on would be.
    part.draft = message.buffer_translation ?? "";
    part.words.push(...(message.new_words ?? []));
  }

  /** Where the committed text of the current connection ends, in seconds of its own. */
  get committedSeconds() {
    return this.#parts.at(-1)?.lines.at(-1)?.end ?? 0;
  }

  /** Nothing will confirm the tail any more: it is kept as it is. */
  seal() {
    const part = this.#parts.at(-1);
    if (part) part.draft = "";
    if (!part?.tail.trim()) return;
    const start = this.committedSeconds;
    const word = { text: part.tail, start, end: start + 1, confidence: null };
    const language = part.lines.findLast((line) => line.language)?.language ?? null;
    part.lines = [...part.lines, { ...word, speaker: null, language, unconfirmed: true }];
    part.words.push(word);
    part.tail = "";
  }

  /** The current connection begins anew, with the same sound from its start. */
  restart() {
    Object.assign(this.#parts.at(-1), { lines: [], words: [], tail: "", draft: "" });
    this.#changed(0, 0);
  }

  clear() {
    this.#parts = [];
    this.#kept = null;
  }

  /** The current connection has other lines from number `line` on, and other words from `word` on. */
  #changed(line, word = Infinity) {
    const kept = this.#kept;
    if (kept?.part !== this.#parts.length - 1) return;
    Object.assign(kept, { line: Math.min(kept.line, line), word: Math.min(kept.word, word) });
  }

  /** Lines on one clock, in seconds: `{start, end, text, speaker, language, unconfirmed, translation, target}`; `text`
   * is null for silence, `speaker` where nobody is told apart. */
  get lines() {
    return this.#parts.flatMap(({ offset, lines }) => lines.map((line) => later(line, offset)));
  }

  /** The lines in which something is said, each with its `words`: `{start, end, text, confidence}`, and the
   * `translations` of its sentences, `{start, end, text}`. */
  get spoken() {
    return this.#parts.flatMap(({ offset, lines, words }) =>
      withWords(lines, words)
        .filter((line) => line.text)
        .map((line) => ({
          ...later(line, offset),
          words: line.words.map((word) => later(word, offset)),
          translations: (line.translations ?? []).map((sentence) => later(sentence, offset)),
        })),
    );
  }

  get tail() {
    return this.#parts.at(-1)?.tail ?? "";
  }

  /** The translation of the sentence that goes on, as it may be. */
  get draft() {
    return this.#parts.at(-1)?.draft ?? "";
  }

  /** Whether any of it is translated, or shall be. */
  get isTranslated() {
    return this.#parts.some(({ target }) => target);
  }

  /** Where the next recording may begin: after everything so far. */
  get end() {
    const part = this.#parts.findLast(({ lines }) => lines.length);
    return part ? part.offset + part.lines.at(-1).end : 0;
  }

  get isEmpty() {
    return !this.tail.trim() && !this.#parts.some(({ lines }) => lines.some((line) => line.text));
  }

  /** All of it as plain data, for `restore`. */
  toJSON() {
    return this.#parts;
  }

  /** The same, a tenth as long: each line is one word then. */
  withoutWords() {
    return this.#parts.map((part) => ({ ...part, words: [] }));
  }

  /** All of it is kept now: `changes` are from here. */
  noteKept() {
    const part = this.#parts.at(-1);
    this.#kept = part ? { part: this.#parts.length - 1, line: part.lines.length, word: part.words.length } : null;
  }

  /** What `withChanges` needs beside all that was kept; null: everything. */
  get changes() {
    if (this.#kept === null) return null;
    const { part, line, word } = this.#kept;
    const [first, ...later] = this.#parts.slice(part);
    const news = { ...first, lines: first.lines.slice(line), words: first.words.slice(word) };
    return { ...this.#kept, parts: [news, ...later] };
  }

  restore(parts) {
    this.#parts = parts;
    this.#kept = null;
    this.seal();
  }
}
