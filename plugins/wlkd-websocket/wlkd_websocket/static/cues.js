// Subtitles: the transcript cut into pieces that can be read. The rules are those of `wlkd transcribe` and of the REST
// API (docs/subtitles.md); all of them are tested with the same examples.

import { endsSentence } from "./sentences.js";

const ROW_COLUMNS = 42; // of a row on the screen; wide (East Asian) characters take two
const MAX_CUE_COLUMNS = 2 * ROW_COLUMNS;
const MAX_CUE_MS = 7000;
const LEAST_CUE_SECONDS = 0.5; // of one whose words have no length
const MAX_GAP_MS = 1000; // a longer silence between two words takes the text off the screen
const WIDE = new RegExp(
  "[\\u1100-\\u115f\\u2329\\u232a\\u2e80-\\u303e\\u3041-\\u3247\\u3250-\\u4dbf\\u4e00-\\ua4cf\\ua960-\\ua97f\\uac00-\\ud7a3" +
    "\\uf900-\\ufaff\\ufe10-\\ufe19\\ufe30-\\ufe6f\\uff01-\\uff60\\uffe0-\\uffe6\\u{1b000}-\\u{1b2ff}\\u{20000}-\\u{3fffd}]" +
    "|(?![\\u{1f1e6}-\\u{1f1ff}])\\p{Emoji_Presentation}",
  "u",
); // Unicode's East Asian Width W and F

const ms = (seconds) => Math.round(1000 * seconds); // 4.3 - 3.3 is more than 1
const isWide = (mark) => WIDE.test(mark ?? "");
const first = (text) => [...text][0];
const textOf = (words) => words.map((word) => word.text).join("");

/** Width of the text on a screen. */
export function columns(text) {
  return [...text].reduce((total, mark) => total + (isWide(mark) ? 2 : 1), 0);
}

/** Whether it belongs to the word before, such as a full stop of its own: no space before it, in a script with spaces. */
function continues(word) {
  return !/^\s/.test(word.text) && !isWide(first(word.text));
}

/** Words between silences, and between sentences that fill a row or more. */
function phrases({ words, language }) {
  const result = [];
  for (const word of words) {
    const phrase = result.at(-1);
    if (phrase && continues(word)) {
      phrase.push(word);
      continue;
    }
    const text = phrase ? textOf(phrase) : "";
    const sentenceEnded = columns(text) > ROW_COLUMNS && endsSentence(text, language);
    if (!phrase || sentenceEnded || ms(word.start - phrase.at(-1).end) > MAX_GAP_MS) result.push([word]);
    else phrase.push(word);
  }
  return result;
}

/** The words in `parts` groups by the place of their middle in the text; groups that stay empty are left out. */
function evenly(phrase, parts) {
  const total = Math.max(1, columns(textOf(phrase)));
  const groups = Array.from({ length: parts }, () => []);
  let before = 0;
  let part = 0;
  for (const word of phrase) {
    const width = columns(word.text);
    if (!continues(word)) part = Math.min(parts - 1, Math.floor((parts * (before + width / 2)) / total));
    groups[part].push(word);
    before += width;
  }
  return groups.filter((group) => group.length);
}

function isReadable(group) {
  return ms(group.at(-1).end - group[0].start) <= MAX_CUE_MS && columns(textOf(group).trim()) <= MAX_CUE_COLUMNS;
}

/** The phrase in as few parts as can be read, of about equal width: no last word alone on the screen. */
function split(phrase) {
  for (let parts = 1; parts < phrase.length; parts++) {
    const groups = evenly(phrase, parts);
    if (groups.every(isReadable)) return groups;
  }
  return evenly(phrase, phrase.length); // A single word that is too long stays whole.
}

/** The speaker, where they are told apart. */
const whoOf = ({ speaker }) => (speaker === null || speaker === undefined ? {} : { speaker });

/** `text` without line breaks, which a client's own replacements can have: an empty line would end a cue. */
export const oneLine = (text) => text.trim().replace(/\s*[\r\n]\s*/g, " ");

/** Cues `{start, end, text}` of lines with words; times in seconds. */
export function cues(lines) {
  const made = lines.flatMap((line) =>
    phrases(line)
      .flatMap(split)
      .map((group) => ({ start: group[0].start, end: group.at(-1).end, text: oneLine(textOf(group)), ...whoOf(line) })),
  );
  // WebVTT wants them by their start, and in a call two may speak at once.
  made.sort((one, other) => one.start - other.start);
  return made.map((cue, place) => ({ ...cue, end: visibleEnd(cue, made[place + 1]) }));
}

/** Its end, or a later one if it has no length: players hide it, or refuse the file. */
function visibleEnd({ start, end }, following) {
  if (ms(end) > ms(start)) return end;
  const later = start + LEAST_CUE_SECONDS;
  return following && ms(following.start) > ms(start) ? Math.min(later, following.start) : later;
}

/** Of a script without spaces each character is a word, with the marks behind it. */
function characters(piece) {
  return [...piece].some(isWide) ? piece.match(/\s*.[^\p{L}\p{N}_\s]*/gu) : [piece];
}

/** The words of a translated sentence, spread evenly over its time. */
function spread({ start, end, text }) {
  const total = columns(text);
  let before = 0;
  return (text.match(/\s*\S+/gu) ?? []).flatMap(characters).map((piece) => {
    const from = before;
    before += columns(piece);
    const at = (place) => start + ((end - start) * place) / total;
    return { text: piece, start: at(from), end: at(before), confidence: null };
  });
}

/** Lines with words in the listener's language: what is translated of `lines`. */
export function translated(lines) {
  return lines
    .map((line) => ({ ...line, text: line.translation, language: line.target, words: line.translations.flatMap(spread) }))
    .filter((line) => line.words.length);
}

/** Whether the wide character at `place` may be the first of a row: no comma is, nor what a bracket opens before. */
function mayBeginRow(marks, place) {
  if (!place || !isWide(marks[place])) return false;
  return !/[\p{Pe}\p{Pf}\p{Po}]/u.test(marks[place]) && !/[\p{Ps}\p{Pi}]/u.test(marks[place - 1]);
}

/** `marks` in two rows, at the one of `places` nearest to its middle; in one, if there are none. */
function broken(marks, places) {
  const total = columns(marks.join(""));
  const unevenness = (place) => Math.abs(2 * columns(marks.slice(0, place).join("")) - total);
  if (!places.length) return [marks.join("")];
  const place = places.reduce((best, each) => (unevenness(each) < unevenness(best) ? each : best));
  return [marks.slice(0, place).join(""), marks.slice(place).join("").trimStart()];
}

/** The text on one row, or on two of about equal width. */
export function rows(text) {
  if (columns(text) <= ROW_COLUMNS) return text;
  const marks = [...text];
  const places = marks.map((_, place) => place);
  const isSpace = (place) => marks[place] === " ";
  let two = broken(marks, places.filter(isSpace));
  if (two.some((row) => columns(row) > ROW_COLUMNS)) {
    two = broken(marks, places.filter((place) => isSpace(place) || mayBeginRow(marks, place)));
  }
  return two.join("\n");
}
