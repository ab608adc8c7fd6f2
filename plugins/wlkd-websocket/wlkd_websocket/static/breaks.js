// Where a text may be parted, into rows and into subtitles, and where rather than elsewhere: the twin of the server's
// wlkd/transports/breaks.py. No dictionary.

import { endsClause, endsSentence } from "./sentences.js";

// By how many columns a cut counts as farther from where the parts are of equal width: one behind a comma or a sentence
// wins over a nearer one between words, and that over one which may lie inside a word.
const BEHIND_MARK = 0;
const INSIDE_CLAUSE = 6;
const INSIDE_WORD = 10;
// What no row begins with: closing marks, long vowels and repetition marks, small kana, and Thai and Lao vowels that
// belong to the letter before.
const NEVER_FIRST =
  /^[\p{Pe}\p{Pf}\p{Po}\p{Lm}\p{M}\p{Sk}\p{Cf}ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶ〜～゠ะาำๅະາຳຽ]/u;
const VOWELS_BEFORE = /^[เแโใไເແໂໃໄ]/; // with which Thai and Lao syllables begin
// And what none ends with: opening marks, signs of money, quotes that may open, what joins emoji, vowels that belong to
// the letter behind, and what stacks Burmese and Khmer letters.
const NEVER_LAST = /[\p{Ps}\p{Pi}\p{Sc}"'\u200dเแโใไເແໂໃໄ\u1039\u17d2]$/u;
const MARK_BEHIND_SPACE = /^\s*[?!:;»%。，、！？：；]+(?:\s|$)/; // as in French: « Vraiment ? »
const MARK_BEFORE_SPACE = /(?:^|\s)«\s*$/;
const INSIDE_NUMBER = /\p{Nd}[^\p{L}\p{N}_\s]$/u; // of 3：30 or 3，5, with wide marks
const DIGIT = /^\p{Nd}/u;
const HIRAGANA = /^[ぁ-ゟ]/;
const HONORIFICS = /^[おご]/; // begin Japanese words before other characters: お客様
const HANGUL = /^[가-힣]/;
const THAI_TO_KHMER = /^[\u0e00-\u109f\u1780-\u17ff]/; // with Lao, Tibetan and Burmese
const WIDE = new RegExp(
  "[\\u1100-\\u115f\\u2329\\u232a\\u2e80-\\u303e\\u3041-\\u3247\\u3250-\\u4dbf\\u4e00-\\ua4cf\\ua960-\\ua97f\\uac00-\\ud7a3" +
    "\\uf900-\\ufaff\\ufe10-\\ufe19\\ufe30-\\ufe6f\\uff01-\\uff60\\uffe0-\\uffe6\\u{1b000}-\\u{1b2ff}\\u{20000}-\\u{3fffd}]" +
    "|(?![\\u{1f1e6}-\\u{1f1ff}])\\p{Emoji_Presentation}",
  "u",
); // Unicode's East Asian Width W and F

const isWide = (mark) => WIDE.test(mark ?? "");
const first = (text) => [...text][0];
const last = (text) => [...text].at(-1);

/** Width of the text on a screen. */
export function columns(text) {
  return [...text].reduce((total, mark) => total + (isWide(mark) ? 2 : 1), 0);
}

/** Of a script that is written without spaces, as wide characters are but for Korean. */
export const isUnspaced = (mark) => (isWide(mark) && !HANGUL.test(mark)) || THAI_TO_KHMER.test(mark);
/** A letter or a digit, full-width ones too. */
const isLatin = (mark) => /^[A-Za-z0-9]+$/.test(mark.normalize("NFKC"));

/** Whether one row may end with the character `before`, and the next one begin with `after`, which follows it without a
 * space: beside a character of a script without spaces, by the rules of its typesetting. */
function mayPart(before, after) {
  if (NEVER_FIRST.test(after) || NEVER_LAST.test(before)) return false;
  return (isUnspaced(before) || isUnspaced(after)) && !(isLatin(before) && isLatin(after));
}

/** Whether a word, in Thai and Lao a syllable, ends between two characters for certain, as far as can be told without a
 * dictionary. */
function isWordEnd(before, after) {
  if (!isUnspaced(before) || !isUnspaced(after)) return !DIGIT.test(before); // 3个, 2026年
  // A Japanese word may end in hiragana, and seldom begins with them.
  const isJapanese = HIRAGANA.test(before) && !HIRAGANA.test(after) && !HONORIFICS.test(before);
  return isJapanese || VOWELS_BEFORE.test(after);
}

/** By how many columns a cut between two texts counts as farther from where it should be; null: they belong together. */
export function resistance(before, after, language) {
  const [end, start] = [last(before.trimEnd()), first(after.trimStart())];
  if (!end || !start) return null;
  const spaced = /\s$/.test(before) || /^\s/.test(after);
  if (spaced && (MARK_BEHIND_SPACE.test(after) || MARK_BEFORE_SPACE.test(before))) return null;
  if (!spaced && (!mayPart(end, start) || (INSIDE_NUMBER.test(before) && DIGIT.test(start)))) return null;
  if (endsSentence(before, language) || endsClause(before)) return BEHIND_MARK;
  return end === "." || !(spaced || isWordEnd(end, start)) ? INSIDE_CLAUSE + INSIDE_WORD : INSIDE_CLAUSE;
}
