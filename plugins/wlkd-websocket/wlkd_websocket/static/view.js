// The transcript on the screen: its lines, the tail behind them, and the place that the reader looks at.

import { focusTranscript } from "./focus.js";
import { uiLanguage } from "./i18n.js";
import { fillLine, looksSame, makeLine } from "./lines.js";
import { speakerNames } from "./speakers.js";

const NEAR_END_PX = 80;
const SHOWN_SILENCE_S = 3;

export class TranscriptView {
  #scroller = document.getElementById("scroller");
  #list = document.getElementById("lines");
  #tail = document.getElementById("tail");
  #empty = document.getElementById("empty");
  #toEnd = document.getElementById("to-end");
  #following = true;
  #drawn = []; // of each line on the screen, what `fillLine` was told
  #words = []; // in which they were drawn

  constructor() {
    this.#scroller.addEventListener("scroll", () => {
      this.#following = this.#unseen < NEAR_END_PX;
      if (this.#following) this.#hideToEnd();
    });
    this.#toEnd.addEventListener("click", () => this.follow());
    // Larger letters, or a turned phone: what was at the end shall stay there.
    new ResizeObserver(() => this.#following && this.follow()).observe(this.#scroller);
  }

  render(transcript) {
    const lines = transcript.lines.filter((line) => line.text || line.end - line.start >= SHOWN_SILENCE_S);
    while (this.#list.children.length > lines.length) {
      if (this.#list.lastChild.contains(this.#tail)) this.#putTailBelow();
      this.#list.lastChild.remove();
    }
    this.#forgetDrawn(lines.length);
    lines.forEach((line, index) => {
      const wanted = [line, lines[index - 1], index === lines.length - 1 ? transcript.draft : ""];
      // A long meeting has thousands of lines, and an update changes the last ones.
      if (this.#drawn[index] && looksSame(this.#drawn[index], wanted)) return;
      if (index === this.#list.children.length) this.#list.append(makeLine());
      fillLine(this.#list.children[index], ...wanted);
      this.#drawn[index] = wanted;
    });
    this.#showTail(transcript.tail, lines.at(-1));
    this.#empty.hidden = !transcript.isEmpty || lines.length > 0;
    if (this.#following || !this.#empty.hidden) this.follow();
    else this.#toEnd.hidden = false;
  }

  /** Of lines that are gone; of all, where the page's language or a speaker's name is another now. */
  #forgetDrawn(left) {
    const words = [uiLanguage(), speakerNames()];
    const same = words.every((each, n) => each === this.#words[n]);
    this.#drawn.length = same ? Math.min(this.#drawn.length, left) : 0;
    this.#words = words;
  }

  /** The tail goes on where the committed words end, in the same paragraph. */
  #showTail(tail, last) {
    const goesOn = last?.text && !last.unconfirmed;
    this.#tail.textContent = goesOn ? tail : tail.trimStart();
    this.#tail.dir = goesOn ? "" : "auto";
    const home = goesOn ? this.#list.lastChild.querySelector(".words") : this.#scroller;
    if (this.#tail.parentElement === home) return;
    if (goesOn) home.append(this.#tail);
    else this.#putTailBelow();
  }

  #putTailBelow() {
    this.#list.parentElement.after(this.#tail);
  }

  /** How far the end of the words is below what is seen, in pixels. What stands below the words does not count: the
   * note that they are kept, and earlier transcripts, come and go while nobody scrolls. */
  get #unseen() {
    const bottom = (part) => part.getBoundingClientRect().bottom;
    return Math.max(bottom(this.#list), bottom(this.#tail)) - bottom(this.#scroller);
  }

  /** Show the end, and go on showing it. */
  follow() {
    this.#following = true;
    this.#hideToEnd();
    // Below an empty one stand earlier transcripts; below words, they shall not push them out of sight.
    if (!this.#empty.hidden) this.#scroller.scrollTop = 0;
    else this.#scroller.scrollTop += this.#unseen + this.#scroller.clientHeight / 4;
  }

  #hideToEnd() {
    focusTranscript(this.#toEnd);
    this.#toEnd.hidden = true;
  }
}
