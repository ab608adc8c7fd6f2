// The transcript as a file: plain text, SRT, WebVTT, JSON. What they hold is what `wlkd transcribe` writes.

import { cues, oneLine, rows, translated } from "./cues.js";
import { speakerName } from "./speakers.js";
import { shownReading } from "./translation.js";

/** The name of whoever says `line`, or of the cue, as it stands before the text; empty where nobody is told apart. */
const before = ({ speaker }) => (speaker === null || speaker === undefined ? "" : `${speakerName(speaker)}: `);

function stamp(seconds, point) {
  const ms = Math.max(0, Math.round(seconds * 1000));
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, Math.floor(ms / 1000) % 60];
  return `${two(h)}:${two(m)}:${two(s)}${point}${String(ms % 1000).padStart(3, "0")}`;
}

/** One line of text for each line that has words, and one for its translation where both are read. */
export function toText(lines, tail = "") {
  const both = shownReading() === "both" ? (line) => [line.translation ?? ""] : () => [];
  return [...lines.flatMap((line) => [before(line) + oneLine(line.text), ...both(line)]), tail]
    .map((text) => text.trim())
    .filter((text) => text)
    .join("\n")
    .concat("\n");
}

export function toSrt(lines) {
  return cues(lines, before)
    .map((cue, n) => `${n + 1}\n${stamp(cue.start, ",")} --> ${stamp(cue.end, ",")}\n${rows(cue.text, cue.language)}\n`)
    .join("\n");
}

export function toVtt(lines) {
  // "-->" and "<" have a meaning in WebVTT.
  const safe = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const voice = (cue) => before(cue) && `<v ${safe(speakerName(cue.speaker))}>`;
  const said = (cue) => voice(cue) + safe(rows(cue.text, cue.language));
  const body = cues(lines).map((cue) => `\n${stamp(cue.start, ".")} --> ${stamp(cue.end, ".")}\n${said(cue)}\n`);
  return ["WEBVTT\n", ...body].join("");
}

export function toJson(lines, source) {
  const round = (seconds) => Math.round(seconds * 1000) / 1000;
  const span = ({ start, end }) => ({ start: round(start), end: round(end) });
  const document = {
    source,
    language: lines.find((line) => line.language)?.language ?? null,
    text: lines.map((line) => line.text).join("").trim(),
    lines: lines.map((line) => ({
      ...span(line),
      language: line.language,
      speaker: line.speaker,
      name: before(line) ? speakerName(line.speaker) : undefined,
      text: line.text,
      translation: line.translation || undefined,
      words: line.words.map((word) => ({ ...span(word), text: word.text, confidence: word.confidence ?? null })),
    })),
  };
  return JSON.stringify(document) + "\n";
}

/** The lines as they are read: in the listener's language, where nothing else is shown. */
const read = (transcript) => (onlyTranslation() ? translated(transcript.spoken) : transcript.spoken);
const onlyTranslation = () => shownReading() === "translation";
const text = (transcript) => toText(read(transcript), onlyTranslation() ? "" : transcript.tail);

/** What can be downloaded: by the end of the file's name, its type and its content. */
export const FORMATS = {
  txt: ["text/plain", text],
  srt: ["application/x-subrip", (transcript) => toSrt(read(transcript))],
  vtt: ["text/vtt", (transcript) => toVtt(read(transcript))],
  json: ["application/json", (transcript, name) => toJson(transcript.spoken, name)],
};

/** Have the browser save the transcript in the format `suffix`. */
export function download(transcript, suffix) {
  const [type, write] = FORMATS[suffix];
  const now = new Date();
  const local = new Date(now - now.getTimezoneOffset() * 60_000).toISOString();
  const name = `transcript-${local.slice(0, 16).replace("T", "-").replace(":", "")}`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([write(transcript, name)], { type }));
  link.download = `${name}.${suffix}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** The way that works without a secure origin and without permission. */
function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** Put the transcript's text on the clipboard. */
export async function copy(transcript) {
  const copied = text(transcript);
  try {
    await navigator.clipboard.writeText(copied);
  } catch {
    copyBySelection(copied);
  }
}
