// Subtitles: the transcript cut into pieces that can be read. The rules are those of `wlkd transcribe` and of the REST
// API (docs/subtitles.md); all of them are tested with the same examples.

import { columns, isUnspaced, resistance } from "./breaks.js";
import { endsSentence } from "./sentences.js";

const ROW_COLUMNS = 42; // of a row on the screen; wide (East Asian) characters take two
const MAX_CUE_COLUMNS = 2 * ROW_COLUMNS;
const MAX_CUE_MS = 7000;
const LEAST_CUE_SECONDS = 1; // what is said faster than anybody reads stays so long, if nothing follows
const MAX_GAP_MS = 1000; // a longer silence between two words takes the text off the screen
const SHORTENED = "…: "; // behind a speaker's name that would be wider than a row

const ms = (seconds) => Math.round(1000 * seconds); // 4.3 - 3.3 is more than 1
const textOf = (words) => words.map((word) => word.text).join("");

const characters = (piece) => ([...piece].some(isUnspaced) ? piece.match(/\s*\S/gu) : [piece]);

/** The words of `text`, spread evenly over its time; of a script without spaces each character is one. */
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

/** A text that came without its words, taken apart. */
const parts = (word) => (columns(word.text) > ROW_COLUMNS ? spread(word) : [word]);

/** The words; those that no cut may part are one. */
function whole(words, language) {
  const result = [];
  for (const word of words.flatMap(parts)) {
    const before = result.at(-1);
    if (before && resistance(before.text, word.text, language) === null) {
      result.splice(-1, 1, { ...before, text: before.text + word.text, end: word.end });
    } else result.push(word);
  }
  return result;
}

/** Words between silences, and between sentences that fill a row or more. */
function phrases({ words, language }, label) {
  const result = [];
  for (const word of whole(words, language)) {
    const phrase = result.at(-1);
    const text = phrase ? label + textOf(phrase) : "";
    const sentenceEnded = columns(text) > ROW_COLUMNS && endsSentence(text, language);
    if (!phrase || sentenceEnded || ms(word.start - phrase.at(-1).end) > MAX_GAP_MS) result.push([word]);
    else phrase.push(word);
  }
  return result;
}

/** What `rank` gives the lowest number, the first of several. */
const lowest = (items, rank) => items.reduce((best, each) => (rank(each) < rank(best) ? each : best));

/** The phrase in so many parts, or fewer if there are few places. `resistances`: of each word to a cut behind it. */
function parted(phrase, parts, resistances) {
  let width = 0;
  const ends = phrase.map((word) => (width += columns(word.text)));
  // From the end of the part, times `parts`: in whole numbers, so that the server finds the same one nearest.
  const distance = (place, part) => Math.abs(ends[place] * parts - width * part) + resistances[place] * parts;
  const places = [...phrase.keys()].slice(0, -1);
  const inner = Array.from({ length: parts - 1 }, (_, part) => part + 1);
  const cuts = new Set(inner.map((part) => 1 + lowest(places, (place) => distance(place, part))));
  const edges = [0, ...cuts, phrase.length];
  return edges.slice(1).map((stop, part) => phrase.slice(edges[part], stop));
}

/** How much of a cue they take behind `label`; more than 1: they cannot be read in one. */
function fill(words, label) {
  const duration = ms(words.at(-1).end - words[0].start);
  return Math.max(duration / MAX_CUE_MS, columns(textOf(words).trim()) / (MAX_CUE_COLUMNS - columns(label)));
}

/** A single word that is too long stays whole. */
function isReadable(group, language, label) {
  if (group.length === 1 || fill(group, label) > 1) return group.length === 1;
  return rows(label + textOf(group).trim(), language).split("\n").every((row) => columns(row) <= ROW_COLUMNS);
}

/** The phrase in as few parts as can be read, of about equal width: no last word alone on the screen. */
function split(phrase, language, label) {
  if (!phrase.length) return [];
  const resistances = phrase.slice(1).map((word, at) => resistance(phrase[at].text, word.text, language) ?? 0);
  for (let parts = 1; parts <= Math.min(phrase.length, 1 + 2 * Math.ceil(fill(phrase, label))); parts++) {
    // Behind a mark where that can be read, or else as evenly as possible.
    for (const tried of [resistances, resistances.map(() => 0)]) {
      const groups = parted(phrase, parts, tried);
      if (groups.every((group) => isReadable(group, language, label))) return groups;
    }
  }
  // One word lasts so long, or is so wide, that equal parts would be of a word each.
  const place = lowest([...phrase.keys()], (at) => -fill([phrase[at]], label));
  const [before, after] = [phrase.slice(0, place), phrase.slice(place + 1)];
  return [...split(before, language, label), [phrase[place]], ...split(after, language, label)];
}

/** `label`, cut short if it is wider than a row: it leaves the words the other one. */
function onARow(label) {
  if (columns(label) <= ROW_COLUMNS) return label;
  let width = columns(SHORTENED);
  return [...label].filter((mark) => (width += columns(mark)) <= ROW_COLUMNS).join("") + SHORTENED;
}

/** The words of each cue of `line`, which has `label` before them. */
function groups(line, label) {
  return phrases(line, label).flatMap((phrase) => split(phrase, line.language, label));
}

/** The speaker, where they are told apart. */
const whoOf = ({ speaker }) => (speaker === null || speaker === undefined ? {} : { speaker });

/** `text` without line breaks, which a client's own replacements can have: an empty line would end a cue. */
export const oneLine = (text) => text.trim().replace(/\s*[\r\n]\s*/g, " ");

/** Cues `{start, end, text, language, speaker}` of lines with words; times in seconds. `label`: what stands before each
 * text of a line. */
export function cues(lines, label = () => "") {
  const made = lines.flatMap((line) => {
    const shown = onARow(label(line));
    return groups(line, shown).map((group) => ({
      start: group[0].start,
      end: group.at(-1).end,
      text: shown + oneLine(textOf(group)),
      language: line.language,
      ...whoOf(line),
    }));
  });
  // WebVTT wants them by their start, and in a call two may speak at once.
  made.sort((one, other) => one.start - other.start);
  return made.map((cue, place) => ({ ...cue, end: visibleEnd(cue, made[place + 1]) }));
}

/** Its end, or a later one, so that it can be read. Players hide a cue without length, or refuse the file. */
function visibleEnd({ start, end }, following) {
  const later = Math.max(end, start + LEAST_CUE_SECONDS);
  return following && ms(following.start) > ms(start) ? Math.min(later, Math.max(end, following.start)) : later;
}

/** Lines with words in the listener's language: what is translated of `lines`. */
export function translated(lines) {
  return lines
    .map((line) => ({ ...line, text: line.translation, language: line.target, words: line.translations.flatMap(spread) }))
    .filter((line) => line.words.length);
}

/** The text on one row, or on two of about equal width. */
export function rows(text, language) {
  const marks = [...text];
  let total = 0;
  const ends = marks.map((mark) => (total += columns(mark)));
  if (total <= ROW_COLUMNS) return text;
  const part = (place) => [marks.slice(0, place).join(""), marks.slice(place).join("")];
  const widest = (place) => Math.max(ends[place - 1], total - ends[marks[place] === " " ? place : place - 1]);
  const places = [...marks.keys()].filter((place) => place && marks[place - 1] !== " ");
  const fitting = places.filter((place) => widest(place) <= ROW_COLUMNS);
  for (const some of [fitting, places]) {
    const ranked = some.map((place) => [place, resistance(...part(place), language)]).filter(([, by]) => by !== null);
    if (!ranked.length) continue;
    // What is least too wide, and of those the nearest to the middle.
    const rank = ([place, by]) => 1000 * Math.max(widest(place), ROW_COLUMNS) + widest(place) + by;
    const [best] = lowest(ranked, rank);
    const [row, other] = part(best);
    return `${row}\n${other.trimStart()}`;
  }
  return text;
}
