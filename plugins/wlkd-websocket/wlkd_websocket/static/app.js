// Wires the page together: one transcript, and one recording or upload at a time.

import { nextTheme, theme } from "./appearance.js";
import { Archive } from "./archive.js";
import "./captions.js";
import { lockChoices, showLanguages, showSources } from "./choices.js";
import { onSettings, openSettings } from "./dialog.js";
import { findEarlier, showEarlier } from "./earlier.js";
import { FORMATS, copy, download } from "./files.js";
import { focusTranscript } from "./focus.js";
import { setUiLanguage, t, uiLanguage } from "./i18n.js";
import { clock } from "./lines.js";
import { dismiss, explain, translateNotice } from "./notices.js";
import { KEPT_MINUTES, Recording } from "./recording.js";
import { askServer } from "./server.js";
import { forgetSpeakers, renameSpeaker, restoreSpeakers } from "./speakers.js";
import { save, serverUrl, settings } from "./settings.js";
import { Sound, SoundError, mayAsk, microphones, prepare } from "./sound.js";
import { keep, kept } from "./storage.js";
import { Transcript } from "./transcript.js";
import { Upload } from "./upload.js";
import { lockTarget, showReading, showTargets, whenReadingChanges } from "./translation.js";
import { TranscriptView } from "./view.js";

const SHOWN_LAG_S = 1;
const SHOWN_TRANSLATION_LAG_S = 15; // a sentence may be that long
const DEAF_MS = 6000; // this long without any sound at all: the wrong or a muted microphone
const DEAF_LEVEL = 0.05; // -57 dB
const UNSEEN_MS = 1000; // nobody looked at the page, and nothing was drawn
const CONNECTION = ["lost", "unreachable", "full", "draining", "failed"];
const SOURCE = ["denied", "none", "busy", "gone", "unshared", "notShared", "noSharedSound", "silent"];
const SETTINGS = ["unauthorized", "wrongToken", "refused", "address", "insecureServer", "unreachable", "noPcm"];

const $ = (id) => document.getElementById(id);
const transcript = new Transcript();
const archive = new Archive(transcript);
const opened = archive.open();
const view = new TranscriptView();
let stream = null; // a Recording or an Upload
let starting = false;
let heard = false;
let lastSound = 0;
let lastLook = 0;
let lag = { words: 0, translation: 0 }; // seconds behind
let deaf = false; // the server hears speech, and writes nothing
let wakeLock = null; // a promise of one, or of null

// What is shown ---------------------------------------------------------------------------------------------

/** `[what is read aloud when it changes, what is not]` */
function statusTexts(state) {
  const uploading = state === "uploading";
  const percent = uploading ? t("percent", { percent: Math.round(100 * stream.progress) }) : "";
  return [t(state === "recording" && !heard ? "quiet" : state, { name: stream?.name }), percent];
}

function showStatus() {
  const live = stream !== null;
  const state = live ? stream.state : starting ? "starting" : "idle";
  statusTexts(state).forEach((text, n) => {
    const part = $("status").children[n];
    if (part.textContent !== text) part.textContent = text;
  });
  document.body.dataset.state = state;
  for (const button of document.querySelectorAll("[data-action='record']")) {
    button.title = t(!live ? "start" : state === "finishing" ? "giveUp" : "stop");
    button.setAttribute("aria-label", button.title);
  }
  const pausable = stream instanceof Recording && state !== "finishing";
  if (!pausable) focusTranscript($("pause"));
  $("pause").hidden = !pausable;
  $("pause").title = t(state === "paused" ? "resume" : "pause");
  $("pause").setAttribute("aria-label", $("pause").title);
  $("progress").hidden = !(stream instanceof Upload);
  $("progress").value = stream?.progress ?? 0;
  $("empty-title").textContent = t(state === "idle" ? "emptyTitle" : "emptyLive");
  $("elapsed").textContent = clock(live ? stream.elapsed : transcript.end);
  lockChoices(live || starting);
  lockTarget(live || starting);
  showReading(transcript.isTranslated);
  if (live || starting) focusTranscript($("file"));
  $("file").disabled = live || starting;
  showFiles();
}

function showFiles() {
  const empty = transcript.isEmpty;
  for (const id of ["copy", ...Object.keys(FORMATS).map((suffix) => `save-${suffix}`)]) $(id).disabled = empty;
  $("clear").disabled = empty || stream !== null;
  $("kept").hidden = empty || stream !== null || !archive.holds;
  showEarlier(stream === null && (empty || archive.holds));
}

/** How far the words are behind, or else their translation; without an argument, the same again. */
function showLag(now = lag) {
  lag = now;
  const { words, translation } = now;
  const late = words >= SHOWN_LAG_S;
  $("lag").hidden = !late && translation < SHOWN_TRANSLATION_LAG_S;
  $("lag").textContent = late ? t("lag", { s: words.toFixed(1) }) : t("translationLag", { s: translation.toFixed(0) });
}

function showHost() {
  $("empty-privacy").textContent = t("emptyPrivacy", { host: serverUrl()?.host ?? settings.server });
}

function showTheme() {
  $("theme").title = t(`theme_${theme()}`);
  $("theme").setAttribute("aria-label", $("theme").title);
}

function translatePage() {
  setUiLanguage(settings.ui);
  const other = uiLanguage() === "zh" ? "en" : "zh";
  $("ui-language").textContent = other === "zh" ? "中文" : "English";
  $("ui-language").lang = other;
  showSources();
  showLanguages();
  showTargets();
  showHost();
  showTheme();
  showStatus();
  showLag();
  view.render(transcript);
  translateNotice();
}

async function meetServer() {
  await askServer();
  showLanguages();
  showTargets();
  showReading(transcript.isTranslated);
}

function tick() {
  if (stream === null) return;
  const level = stream.level();
  document.body.style.setProperty("--level", level.toFixed(3));
  const now = clock(stream.elapsed);
  if ($("elapsed").textContent !== now) $("elapsed").textContent = now;
  const unseen = performance.now() - lastLook > UNSEEN_MS;
  lastLook = performance.now();
  if (level > DEAF_LEVEL || stream.state !== "recording" || unseen) {
    lastSound = performance.now();
    dismiss("silent");
  } else if (performance.now() - lastSound > DEAF_MS) {
    lastSound = Infinity; // say it once
    explain("silent", {}, [["dismiss", () => dismiss()]]);
  }
  requestAnimationFrame(tick);
}

// Recording and uploading -------------------------------------------------------------------------------------

function explainSound(code) {
  const hopeless = ["insecure", "old"].includes(code);
  explain(code, {}, hopeless ? [] : [["retry", start]]);
}

/** The address to send to, or null: then it has been explained. */
function address() {
  const url = serverUrl();
  if (url === null) explain("address", { url: settings.server }, [["openSettings", () => openSettings("server")]]);
  return url;
}

async function start() {
  const url = address();
  if (stream || starting || url === null) return;
  dismiss();
  starting = true;
  showStatus();
  try {
    const sound = await openSound();
    await opened; // a recording goes on where the transcript ends
    follow(new Recording(url, transcript, sound));
  } catch (error) {
    if (!(error instanceof SoundError)) throw error;
    explainSound(error.code);
  } finally {
    starting = false;
    showStatus();
  }
}

async function openSound() {
  const sound = await Sound.open(settings.source);
  sound.onlost = (code) => {
    if (stream === null) return;
    explain(code, {}, [["dismiss", () => dismiss()]]);
    if (stream.state !== "finishing") stream.stop();
  };
  showSources(); // names are known now
  return sound;
}

/** Transcribe `file`; `others` came with it. */
async function upload(file, ...others) {
  await opened;
  if (!file) return;
  if (stream || starting) {
    explain("oneAtATime", { name: file.name }, [["dismiss", () => dismiss()]]);
    return;
  }
  const url = address();
  if (url === null) return;
  dismiss();
  if (!file.size) {
    explain("emptyFile", { name: file.name }, [["dismiss", () => dismiss()]]);
    return;
  }
  follow(new Upload(url, transcript, file));
  if (others.length) explain("others", { name: file.name }, [["dismiss", () => dismiss()]]);
}

/** Note in this tab whether it records: it may be loaded anew in the middle, as by a phone that is short of memory. */
function noteRecording(now) {
  keep("recording", now, "sessionStorage");
}

function explainInterruption() {
  if (!kept("recording", "sessionStorage")) return;
  noteRecording(false);
  explain("interrupted", {}, [["resume", start], ["dismiss", () => dismiss()]]);
}

function follow(started) {
  stream = started;
  noteRecording(stream instanceof Recording);
  heard = false;
  deaf = false;
  lastSound = performance.now();
  stream.addEventListener("state", onState);
  stream.addEventListener("update", onUpdate);
  stream.addEventListener("problem", onProblem);
  showStatus();
  tick();
  keepAwake();
}

function toggle() {
  if (stream) stream.stop();
  else start();
}

function onState() {
  if (["recording", "uploading", "ended"].includes(stream.state)) dismiss(...CONNECTION);
  // How far it is behind, nobody knows until the server is there again.
  if (["waiting", "ended"].includes(stream.state)) showLag({ words: 0, translation: 0 });
  if (stream.state === "ended") {
    stream = null;
    noteRecording(false);
    dismiss("silent", "deaf", "oneAtATime");
    document.body.style.setProperty("--level", 0);
    archive.save();
    view.render(transcript);
  }
  if (stream === null || stream.state === "paused") maySleep();
  else if (wakeLock === null) keepAwake();
  showStatus();
}

function onUpdate({ detail }) {
  dismiss(...CONNECTION);
  heard ||= detail.status === "active_transcription";
  // A file comes faster than it is transcribed: its progress is shown, and half a minute of it is a moment.
  if (stream instanceof Recording) {
    showLag({ words: detail.remaining_time_transcription, translation: detail.remaining_time_translation ?? 0 });
    showDeafness(detail.deaf === true);
  }
  archive.touch();
  view.render(transcript);
  showStatus();
}

/** Explained once each time: whoever has read it may take it away. */
function showDeafness(now) {
  if (now === deaf) return;
  deaf = now;
  if (deaf) explain("deaf", {}, [["dismiss", () => dismiss()]]);
  else dismiss("deaf");
}

function onProblem({ detail }) {
  const kind = detail.kind === "unauthorized" && settings.token ? "wrongToken" : detail.kind;
  const openToken = () => openSettings("token", t(`${kind}Title`));
  const actions = {
    unauthorized: [["openSettings", openToken]],
    wrongToken: [["openSettings", openToken]],
    refused: [["openSettings", () => openSettings("server")]],
    insecureServer: [["openSettings", () => openSettings("server")]],
    noPcm: [["openSettings", () => openSettings("server")]],
    noOutput: [["dismiss", () => dismiss()]],
  }[kind] ?? [["retryNow", () => stream?.retryNow()]];
  explain(kind, { ...detail, minutes: KEPT_MINUTES }, actions);
  if (["unauthorized", "wrongToken"].includes(kind)) openToken();
  view.render(transcript);
}

/** A phone that goes to sleep stops listening; in a pause it may. */
function keepAwake() {
  if (!navigator.wakeLock || !stream || stream.state === "paused" || document.hidden) return;
  maySleep();
  // Refused, for example on a low battery: then the screen may go dark.
  wakeLock = navigator.wakeLock.request("screen").catch(() => null);
}

/** Also where the browser has not answered yet: the recording may be over before it does. */
function maySleep() {
  wakeLock?.then((lock) => lock?.release());
  wakeLock = null;
}

/** What stood in the way may be gone: devices were plugged in, or permission was given. */
async function onDevices() {
  showSources();
  if ((await microphones()).length) dismiss("none");
}

async function watchPermission() {
  try {
    const permission = await navigator.permissions.query({ name: "microphone" });
    permission.addEventListener("change", () => permission.state !== "denied" && dismiss("denied"));
  } catch {
    // This browser does not tell; the next attempt will.
  }
}

// The transcript ----------------------------------------------------------------------------------------------

function clear() {
  const before = transcript.toJSON();
  for (const pressed of ["clear", "forget"]) focusTranscript($(pressed));
  transcript.clear();
  const names = forgetSpeakers();
  archive.save();
  explain("cleared", {}, [["undo", () => restore(before, names)], ["dismiss", () => dismiss()]]);
  view.render(transcript);
  showStatus();
}

function restore(parts, names) {
  if (!transcript.isEmpty || stream !== null) return;
  dismiss();
  transcript.restore(parts);
  restoreSpeakers(names);
  archive.save();
  view.render(transcript);
  showStatus();
}

async function copyText() {
  await copy(transcript);
  $("copy").textContent = t("copied");
  setTimeout(() => ($("copy").textContent = t("copy")), 1500);
}

// Events ----------------------------------------------------------------------------------------------------

for (const button of document.querySelectorAll("[data-action='record']")) button.addEventListener("click", toggle);
$("pause").addEventListener("click", () => (stream.state === "paused" ? stream.resume() : stream.pause()));
$("copy").addEventListener("click", copyText);
$("lines").addEventListener("click", ({ target }) => {
  if (!target.classList.contains("who") || !renameSpeaker(Number(target.dataset.speaker))) return;
  archive.save();
  view.render(transcript);
});
for (const suffix of Object.keys(FORMATS)) $(`save-${suffix}`).addEventListener("click", () => download(transcript, suffix));
$("clear").addEventListener("click", clear);
$("forget").addEventListener("click", clear);
$("file").addEventListener("change", ({ target }) => {
  upload(target.files[0]);
  target.value = ""; // the same file may be chosen again
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  upload(...event.dataTransfer.files);
});
$("theme").addEventListener("click", () => {
  nextTheme();
  showTheme();
});
$("open-settings").addEventListener("click", () => openSettings());
onSettings(() => {
  showHost();
  dismiss(...SETTINGS);
  meetServer();
});
$("ui-language").addEventListener("click", () => {
  settings.ui = uiLanguage() === "zh" ? "en" : "zh";
  save();
  translatePage();
});
whenReadingChanges(() => {
  showReading(transcript.isTranslated);
  view.render(transcript);
});
$("source").addEventListener("change", () => dismiss(...SOURCE));
$("language").addEventListener("change", () => dismiss("refused"));
document.addEventListener("keydown", (event) => {
  const free = event.target === document.body || event.target === $("scroller");
  // With Ctrl it changes the input method of who writes Chinese.
  const alone = !event.ctrlKey && !event.altKey && !event.metaKey && !event.shiftKey;
  if (event.code !== "Space" || !alone || !free || event.repeat) return;
  event.preventDefault();
  toggle();
});
document.addEventListener("visibilitychange", keepAwake);
window.addEventListener("online", () => stream?.retryNow());
window.addEventListener("beforeunload", (event) => {
  if (stream) event.preventDefault();
});
navigator.mediaDevices?.addEventListener("devicechange", onDevices);

translatePage();
opened.then(async () => {
  view.render(transcript);
  showReading(transcript.isTranslated);
  showStatus();
  await findEarlier();
  showFiles();
});
meetServer();
watchPermission();
explainInterruption();
if (mayAsk()) prepare().catch(({ code }) => explainSound(code));
else explainSound("insecure");
