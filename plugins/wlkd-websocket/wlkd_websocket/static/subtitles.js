// The transcript as plain text, SRT and WebVTT.

const MAX_SECONDS = 6;
const MAX_WIDTH = 84; // two lines of 42, the usual limit for subtitles; a Chinese character counts double
const PAUSE_SECONDS = 1;

function width(text) {
  return [...text].reduce((total, character) => total + (character.codePointAt(0) > 0x2e7f ? 2 : 1), 0);
}

/** Cues `{start, end, text}` from words: short enough to read, cut at pauses and ends of sentences. */
export function cues(transcript) {
  const { words } = transcript;
  if (words === null) return transcript.lines.filter((line) => line.text);
  const result = [];
  let cue = null;
  for (const word of words) {
    const fits =
      cue !== null &&
      word.end - cue.start <= MAX_SECONDS &&
      width(cue.text + word.text) <= MAX_WIDTH &&
      word.start - cue.end < PAUSE_SECONDS &&
      !/[.!?。！？]["”’]?$/.test(cue.text);
    if (fits) {
      cue.text += word.text;
      cue.end = word.end;
    } else {
      cue = { ...word };
      result.push(cue);
    }
  }
  return result;
}

function stamp(seconds, separator) {
  const ms = Math.max(0, Math.round(seconds * 1000));
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, Math.floor(ms / 1000) % 60];
  return `${two(h)}:${two(m)}:${two(s)}${separator}${String(ms % 1000).padStart(3, "0")}`;
}

/** One line of text per line of the transcript. */
export function toText(transcript) {
  const lines = transcript.lines.filter((line) => line.text).map((line) => line.text.trim());
  if (transcript.tail.trim()) lines.push(transcript.tail.trim());
  return lines.join("\n") + "\n";
}

export function toSrt(transcript) {
  return cues(transcript)
    .map((cue, n) => `${n + 1}\n${stamp(cue.start, ",")} --> ${stamp(cue.end, ",")}\n${cue.text.trim()}\n`)
    .join("\n");
}

export function toVtt(transcript) {
  // "-->" and "<" have a meaning in WebVTT.
  const safe = (text) => text.trim().replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const body = cues(transcript).map((cue) => `${stamp(cue.start, ".")} --> ${stamp(cue.end, ".")}\n${safe(cue.text)}\n`);
  return ["WEBVTT\n", ...body].join("\n");
}
