// The text of all recordings since the page was opened or cleared. Each connection to the server counts its time
// from its own start; here all of them lie on one clock, and what one connection said outlives it.

/** Seconds in "H:MM:SS", for servers that send nothing finer. */
function clockSeconds(text) {
  return text.split(":").reduce((total, part) => total * 60 + Number(part), 0);
}

export class Transcript {
  /** @type {{offset: number, lines: object[], words: object[], tail: string}[]} */
  #parts = [];

  /** A new connection begins; its second 0 is second `offset` of the transcript. */
  begin(offset) {
    this.#parts.push({ offset, lines: [], words: [], tail: "" });
  }

  /** Take an update of the current connection. */
  update(message) {
    const part = this.#parts.at(-1);
    part.lines = message.lines;
    part.tail = message.buffer_transcription;
    part.words.push(...(message.new_words ?? []));
  }

  /** The current connection is gone: its tail will not be confirmed any more, and is kept as it is. */
  seal() {
    const part = this.#parts.at(-1);
    if (!part?.tail.trim()) return;
    const end = this.#times(part.lines.at(-1), 0)?.end ?? 0;
    const tail = { speaker: 1, text: part.tail, start_seconds: end, end_seconds: end + 1, unconfirmed: true };
    part.lines = [...part.lines, tail];
    part.words.push({ text: part.tail, start: end, end: end + 1 });
    part.tail = "";
  }

  clear() {
    this.#parts = [];
  }

  #times(line, offset) {
    if (!line) return undefined;
    return {
      start: offset + (line.start_seconds ?? clockSeconds(line.start)),
      end: offset + (line.end_seconds ?? clockSeconds(line.end)),
    };
  }

  /** Lines on one clock: `{start, end, text, language, unconfirmed}`; `text` is null for silence. */
  get lines() {
    return this.#parts.flatMap((part) =>
      part.lines.map((line) => ({
        ...this.#times(line, part.offset),
        text: line.speaker === -2 ? null : line.text,
        language: line.detected_language ?? null,
        unconfirmed: line.unconfirmed === true,
      })),
    );
  }

  /** Words on one clock, or null where the server sent none. */
  get words() {
    const spoken = this.lines.some((line) => line.text);
    const words = this.#parts.flatMap((part) =>
      part.words.map((word) => ({ text: word.text, start: part.offset + word.start, end: part.offset + word.end })),
    );
    return spoken && !words.length ? null : words;
  }

  get tail() {
    return this.#parts.at(-1)?.tail ?? "";
  }

  /** Where the next recording may begin: after everything so far. */
  get end() {
    return this.lines.at(-1)?.end ?? 0;
  }

  get isEmpty() {
    return !this.tail.trim() && !this.lines.some((line) => line.text);
  }
}
