// The transcript on the screen. Only what changed is touched, so that screen readers say new words once.

import { t } from "./i18n.js";

const NEAR_END_PX = 80;
const SHOWN_SILENCE_S = 3;

export function clock(seconds) {
  const whole = Math.floor(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function make(tag, className) {
  const element = document.createElement(tag);
  element.className = className;
  return element;
}

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
    this.#toEnd.addEventListener("click", () => this.#follow());
  }

  render(transcript) {
    const lines = transcript.lines.filter((line) => line.text || line.end - line.start >= SHOWN_SILENCE_S);
    while (this.#list.children.length > lines.length) {
      if (this.#list.lastChild.contains(this.#tail)) this.#list.after(this.#tail);
      this.#list.lastChild.remove();
    }
    lines.forEach((line, index) => {
      let item = this.#list.children[index];
      if (item === undefined) {
        item = make("li", "line");
        const words = make("p", "words");
        words.append(make("span", "text"));
        item.append(make("span", "when"), words);
        this.#list.append(item);
      }
      this.#fill(item, line, lines[index - 1]);
    });
    this.#showTail(transcript.tail, lines.at(-1));
    this.#empty.hidden = !transcript.isEmpty || lines.length > 0;
    if (this.#following) this.#follow();
    else this.#toEnd.hidden = false;
  }

  /** The tail goes on where the committed words end, in the same paragraph. */
  #showTail(tail, last) {
    const goesOn = last?.text && !last.unconfirmed;
    this.#tail.textContent = goesOn ? tail : tail.trimStart();
    const home = goesOn ? this.#list.lastChild.querySelector(".words") : this.#list.parentElement;
    if (this.#tail.parentElement === home) return;
    if (goesOn) home.append(this.#tail);
    else this.#list.after(this.#tail);
  }

  #fill(item, line, before) {
    const when = item.querySelector(".when");
    const text = item.querySelector(".text");
    item.classList.toggle("silence", line.text === null);
    item.classList.toggle("unconfirmed", line.unconfirmed);
    const time = clock(line.start);
    const language = line.language !== null && line.language !== before?.language ? line.language : "";
    if (when.dataset.shown !== time + language) {
      when.dataset.shown = time + language;
      when.replaceChildren(time);
      if (language) {
        const badge = make("span", "badge");
        badge.textContent = language;
        when.append(badge);
      }
    }
    if (line.language) text.lang = line.language;
    const wanted = line.text === null ? t("silence", { s: Math.round(line.end - line.start) }) : line.text.trimStart();
    const shown = text.textContent;
    if (wanted === shown) return;
    if (shown && wanted.startsWith(shown)) text.append(wanted.slice(shown.length));
    else text.replaceChildren(wanted);
  }

  #follow() {
    this.#following = true;
    this.#toEnd.hidden = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }
}
