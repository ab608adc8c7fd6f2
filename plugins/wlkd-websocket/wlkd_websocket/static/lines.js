// One line of the transcript on the screen: when, in which language, and what was said.

import { t } from "./i18n.js";
import { speakerColour, speakerName } from "./speakers.js";
import { sameLine } from "./transcript.js";

/** Seconds as people read them, like 1:02:05. */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export function make(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

/** An empty line, for `fillLine`. */
export function makeLine() {
  const item = make("li", "line");
  const words = make("p", "words");
  const who = make("button", "who");
  who.type = "button";
  who.dir = "auto"; // of its own: what is said goes from right to left in Arabic, Hebrew, Persian and Urdu
  words.dir = "auto";
  who.hidden = true;
  words.append(who, make("span", "text"));
  const translation = make("p", "translation");
  translation.dir = "auto";
  translation.append(make("span", "translated"), make("span", "draft"));
  translation.lastChild.setAttribute("aria-hidden", "true"); // it changes all the time
  item.append(make("span", "when"), words, translation);
  return item;
}

/** Show `line` in `item`; `before` is the line above it, `draft` what its translation may go on with. Only what changed
 * is touched: screen readers say that once. */
export function fillLine(item, line, before, draft) {
  item.classList.toggle("silence", line.text === null);
  item.classList.toggle("unconfirmed", line.unconfirmed === true);
  fillWhen(item.querySelector(".when"), line, before);
  fillWho(item.querySelector(".who"), line, before);
  const said = line.text === null ? t("silence", { s: Math.round(line.end - line.start) }) : line.text.trimStart();
  fillText(item.querySelector(".text"), said, line.language);
  fillText(item.querySelector(".translated"), line.translation ?? "", line.target);
  fillText(item.querySelector(".draft"), draft && line.translation ? ` ${draft}` : draft, line.target);
}

/** Whether `fillLine` would show the same of `one` and `other`: `[line, before, draft]`. */
export function looksSame([line, before, draft], [other, otherBefore, otherDraft]) {
  return (
    draft === otherDraft &&
    before?.speaker === otherBefore?.speaker &&
    before?.language === otherBefore?.language &&
    sameLine(line, other)
  );
}

function fillText(element, wanted, language) {
  if (language) element.lang = language;
  const shown = element.textContent;
  if (wanted === shown) return;
  if (shown && wanted.startsWith(shown)) element.append(wanted.slice(shown.length));
  else element.replaceChildren(wanted);
}

/** The speaker's name, where he begins to speak; his colour is on every line of his. */
function fillWho(who, line, before) {
  const speaker = line.speaker ?? null;
  who.hidden = speaker === null || speaker === (before?.speaker ?? null);
  who.parentElement.dataset.colour = speaker === null ? "" : speakerColour(speaker);
  who.dataset.speaker = speaker ?? "";
  const name = speaker === null ? "" : speakerName(speaker);
  if (who.textContent === name) return;
  who.textContent = name;
  who.title = name && t("renameSpeaker", { name });
}

function fillWhen(when, line, before) {
  const language = line.language !== null && line.language !== before?.language ? line.language : "";
  const shown = clock(line.start) + language;
  if (when.dataset.shown === shown) return;
  when.dataset.shown = shown;
  when.replaceChildren(clock(line.start));
  if (language) when.append(make("span", "badge", language));
}
