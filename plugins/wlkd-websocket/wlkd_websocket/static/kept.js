// Recorded sound that the server has not settled yet, by the number of its samples since the start.

const SILENCE = 16_000; // samples of it, at most, in a piece

export class KeptSound {
  #pieces = []; // Int16Arrays, without gaps
  #start = 0; // the first sample that is kept
  #limit;

  /** Samples recorded so far: the number of the next one. */
  end = 0;

  /** Keep at most `limit` samples; of more, the oldest are given up. */
  constructor(limit) {
    this.#limit = limit;
  }

  /** The number of the first sample that is still there. */
  get start() {
    return this.#start;
  }

  append(samples) {
    this.#pieces.push(samples);
    this.end += samples.length;
    this.forget(this.end - this.#limit);
  }

  /** What lies before sample `before` is settled. */
  forget(before) {
    while (this.#pieces.length && this.#start + this.#pieces[0].length <= before) {
      this.#start += this.#pieces.shift().length;
    }
  }

  /**
   * The samples from number `from` to the end of the piece that it lies in; null when none have been recorded.
   * What was given up is silence: the clock of who hears it goes on.
   */
  from(from) {
    let start = this.#start;
    if (from < start) return new Int16Array(Math.min(start - from, SILENCE));
    for (const piece of this.#pieces) {
      if (from < start + piece.length) return piece.subarray(from - start);
      start += piece.length;
    }
    return null;
  }
}
