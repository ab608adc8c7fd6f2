// The transcript on the screen: its lines, the tail behind them, and the place that the reader looks at.

import { fillLine, makeLine } from "./lines.js";

const NEAR_END_PX = 80;
const SHOWN_SILENCE_S = 3;

export class TranscriptView {
  #scroller = document.getElementById("scroller");
  #list = document.getElementById("lines");
  #tail = document.getElementById("tail");
  #empty = document.getElementById("empty");
  #toEnd = document.getElementById("to-end");
  #following = true;

  constructor() {
    this.#scroller.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
      this.#following = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
      if (this.#following) this.#toEnd.hidden = true;
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
    lines.forEach((line, index) => {
      if (index === this.#list.children.length) this.#list.append(makeLine());
      fillLine(this.#list.children[index], line, lines[index - 1], index === lines.length - 1 ? transcript.draft : "");
    });
    this.#showTail(transcript.tail, lines.at(-1));
    this.#empty.hidden = !transcript.isEmpty || lines.length > 0;
    if (this.#following) this.follow();
    else this.#toEnd.hidden = false;
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

  /** Show the end, and go on showing it. */
  follow() {
    this.#following = true;
    this.#toEnd.hidden = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }
}
