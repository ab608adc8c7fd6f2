// Where sentences end: the twin of what wlkd/contract/text.py says; both are tested with the same examples.

const SENTENCE_ENDS = /[.?!…。？！]$/;
const CLOSING = /["'”’»)\]」』）]+$/; // marks that may follow the end of a sentence
const CLAUSE_ENDS = /[,;:，；：、]$/;
const ABBREVIATIONS = new Set(
  (
    "mr. mrs. ms. dr. prof. sr. jr. st. mt. vs. etc. approx. fig. nr. bzw. ca. ggf. evtl. vgl. inkl. hr. " +
    "mme. mlle. sra. dra. srta. ud. uds. núm. sig. dott. avv. ecc."
  ).split(" "),
); // words whose full stop ends no sentence, mostly
const INITIALS = /^(?:\p{L}\.){2,}$/u; // p.m., U.S. and e.g.
const INITIAL = /^\p{Lu}\.$/u; // of a name
const GERMAN_INITIAL = /^\p{Ll}\.$/u; // z. B.
const ORDINALS = new Set("bs cs da de et fi hr hu is lb lv nn no pl sk sl tr".split(" ")); // where 3. is the third
const ORDINAL = /^\p{Nd}{1,2}\.$/u;
const BEFORE_WORD = /[\s"'“‘«„(\[¿¡\u2e80-\u9fff\uff00-\uffef]/; // not part of a word of letters

const isAbbreviation = (word, language) =>
  INITIAL.test(word) ||
  (language === "de" && GERMAN_INITIAL.test(word)) ||
  INITIALS.test(word) ||
  ABBREVIATIONS.has(word.toLowerCase());

/** Whether a sentence ends with the last word of `text`. */
export function endsSentence(text, language) {
  const bare = text.trim().replace(CLOSING, "");
  if (!SENTENCE_ENDS.test(bare)) return false;
  const word = bare.split(BEFORE_WORD).at(-1);
  return !(ORDINALS.has(language) && ORDINAL.test(word)) && !isAbbreviation(word, language);
}

/** Whether `text` ends with a comma or the like: what follows it is read apart. */
export const endsClause = (text) => CLAUSE_ENDS.test(text.trim());
