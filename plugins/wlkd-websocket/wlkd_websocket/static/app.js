// Wires the page together: buttons, choices, one transcript, one recording at a time.

import { setUiLanguage, spokenLanguages, t, uiLanguage } from "./i18n.js";
import { mayAsk, microphones } from "./microphone.js";
import { dismiss, explain, translateNotice } from "./notices.js";
import { record } from "./recording.js";
import { ownServer, save, serverUrl, settings } from "./settings.js";
import { toSrt, toText, toVtt } from "./subtitles.js";
import { Transcript } from "./transcript.js";
import { TranscriptView, clock } from "./view.js";

const SHOWN_LAG_S = 1;
const DEAF_MS = 6000; // this long without any sound at all: the wrong or a muted microphone
const DEAF_LEVEL = 0.05; // -57 dB

const $ = (id) => document.getElementById(id);
const transcript = new Transcript();
const view = new TranscriptView();
let recording = null;
let starting = false;
let heard = false;
let lastSound = 0;
let wakeLock = null;

// What is shown ---------------------------------------------------------------------------------------------

function showStatus() {
  const live = recording !== null;
  const state = live ? recording.state : starting ? "starting" : "idle";
  const key = { waiting: "reconnecting" }[state] ?? state;
  $("status").textContent = t(key === "recording" && !heard ? "quiet" : key);
  document.body.dataset.state = state;
  const button = $("record");
  button.setAttribute("aria-pressed", String(live));
  button.title = t(live ? "stop" : "start");
  button.setAttribute("aria-label", button.title);
  for (const id of ["microphone", "language"]) $(id).disabled = live || starting;
  for (const id of ["copy", "save-txt", "save-srt", "save-vtt", "clear"]) $(id).disabled = transcript.isEmpty;
  $("clear").disabled ||= live;
}

function showLag(seconds) {
  $("lag").hidden = seconds < SHOWN_LAG_S;
  $("lag").textContent = t("lag", { s: seconds.toFixed(1) });
}

function fillSelect(select, options, chosen) {
  select.replaceChildren(...options.map(([value, name]) => new Option(name, value, false, value === chosen)));
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}

async function showMicrophones() {
  const named = (await microphones()).map((device, n) => [
    device.deviceId,
    device.label || t("microphoneNumber", { n: n + 1 }),
  ]);
  fillSelect($("microphone"), [["", t("defaultMicrophone")], ...named.filter(([id]) => id !== "default")], settings.microphone);
}

function showHost() {
  $("empty-privacy").textContent = t("emptyPrivacy", { host: serverUrl()?.host ?? settings.server });
}

function translatePage() {
  setUiLanguage(settings.ui);
  const other = uiLanguage() === "zh" ? "en" : "zh";
  $("ui-language").textContent = other === "zh" ? "中文" : "English";
  $("ui-language").lang = other;
  fillSelect($("language"), [["auto", t("auto")], ...spokenLanguages()], settings.language);
  showMicrophones();
  showHost();
  showStatus();
  view.render(transcript);
  translateNotice();
}

function tick() {
  if (recording === null) return;
  const level = recording.level();
  document.body.style.setProperty("--level", level.toFixed(3));
  $("elapsed").textContent = clock(recording.elapsed);
  if (level > DEAF_LEVEL) {
    lastSound = performance.now();
    dismiss("silent");
  } else if (recording.state === "recording" && performance.now() - lastSound > DEAF_MS) {
    lastSound = Infinity; // say it once
    explain("silent", {}, [["dismiss", () => dismiss()]]);
  }
  requestAnimationFrame(tick);
}

// Recording -------------------------------------------------------------------------------------------------

function explainMicrophone(code) {
  const actions = code === "insecure" || code === "old" ? [] : [["retry", start]];
  explain(code, {}, actions);
}

async function start() {
  if (recording || starting) return;
  const url = serverUrl();
  if (url === null) {
    explain("address", { url: settings.server }, [["openSettings", openSettings]]);
    return;
  }
  dismiss();
  starting = true;
  heard = false;
  showStatus();
  try {
    recording = await record(url, transcript, settings.microphone);
  } catch (error) {
    if (!error.code) throw error;
    explainMicrophone(error.code);
    return;
  } finally {
    starting = false;
    showStatus();
  }
  recording.addEventListener("state", onState);
  recording.addEventListener("update", onUpdate);
  recording.addEventListener("problem", onProblem);
  recording.onMicrophoneLost(() => {
    explain("gone", {}, [["dismiss", () => dismiss()]]);
    recording?.stop();
  });
  lastSound = performance.now();
  showStatus();
  showMicrophones(); // names are known now
  tick();
  keepAwake();
}

function toggle() {
  if (recording) recording.stop();
  else start();
}

function onState() {
  if (recording.state === "recording") for (const kind of ["lost", "unreachable", "full", "draining", "failed"]) dismiss(kind);
  if (recording.state === "ended") {
    recording = null;
    document.body.style.setProperty("--level", 0);
    showLag(0);
    wakeLock?.release();
    wakeLock = null;
    view.render(transcript);
  }
  showStatus();
}

function onUpdate({ detail }) {
  heard ||= detail.status === "active_transcription";
  showLag(detail.remaining_time_transcription);
  view.render(transcript);
  showStatus();
}

function onProblem({ detail }) {
  const { kind, seconds } = detail;
  const actions = {
    unauthorized: [["openSettings", openSettings]],
    refused: [["openSettings", openSettings]],
    lostTail: [["dismiss", () => dismiss()]],
  }[kind] ?? [["retryNow", () => recording?.retryNow()]];
  explain(kind, { ...detail, s: Math.max(1, Math.round(seconds)) }, actions);
  view.render(transcript);
}

/** A phone that goes to sleep stops listening. */
async function keepAwake() {
  if (!navigator.wakeLock || !recording || document.hidden) return;
  try {
    wakeLock = await navigator.wakeLock.request("screen");
  } catch {
    // Refused, for example on a low battery: then the screen may go dark.
  }
}

// Copy and download -----------------------------------------------------------------------------------------

function download(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function fileName(extension) {
  const now = new Date();
  const local = new Date(now - now.getTimezoneOffset() * 60_000).toISOString();
  return `transcript-${local.slice(0, 16).replace("T", "-").replace(":", "")}.${extension}`;
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

async function copy() {
  const text = toText(transcript);
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyBySelection(text);
  }
  $("copy").textContent = t("copied");
  setTimeout(() => ($("copy").textContent = t("copy")), 1500);
}

// Settings --------------------------------------------------------------------------------------------------

function openSettings() {
  $("server").value = settings.server;
  $("server").placeholder = ownServer();
  $("token").value = settings.token;
  $("hotwords").value = settings.hotwords;
  $("translate").checked = settings.translate;
  $("settings").showModal();
}

function keepSettings() {
  settings.server = $("server").value;
  settings.token = $("token").value;
  settings.hotwords = $("hotwords").value;
  settings.translate = $("translate").checked;
  save();
  showHost();
  for (const kind of ["unauthorized", "refused", "address"]) dismiss(kind);
}

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("wlkd.theme", root.dataset.theme);
  } catch {
    // Storage is forbidden; the theme holds until the page is closed.
  }
}

// Events ----------------------------------------------------------------------------------------------------

$("record").addEventListener("click", toggle);
$("copy").addEventListener("click", copy);
$("save-txt").addEventListener("click", () => download(fileName("txt"), "text/plain", toText(transcript)));
$("save-srt").addEventListener("click", () => download(fileName("srt"), "application/x-subrip", toSrt(transcript)));
$("save-vtt").addEventListener("click", () => download(fileName("vtt"), "text/vtt", toVtt(transcript)));
$("clear").addEventListener("click", () => {
  if (!confirm(t("clearSure"))) return;
  transcript.clear();
  $("elapsed").textContent = clock(0);
  view.render(transcript);
  showStatus();
});
$("theme").addEventListener("click", switchTheme);
$("open-settings").addEventListener("click", openSettings);
$("reset").addEventListener("click", () => {
  for (const id of ["server", "token", "hotwords"]) $(id).value = "";
  $("translate").checked = false;
});
$("settings").addEventListener("close", keepSettings);
$("ui-language").addEventListener("click", () => {
  settings.ui = uiLanguage() === "zh" ? "en" : "zh";
  save();
  translatePage();
});
$("microphone").addEventListener("change", ({ target }) => {
  settings.microphone = target.value;
  save();
});
$("language").addEventListener("change", ({ target }) => {
  settings.language = target.value;
  save();
});
document.addEventListener("keydown", (event) => {
  const free = event.target === document.body || event.target === $("scroller");
  if (event.code !== "Space" || !free || event.repeat) return;
  event.preventDefault();
  toggle();
});
document.addEventListener("visibilitychange", keepAwake);
window.addEventListener("online", () => recording?.retryNow());
window.addEventListener("beforeunload", (event) => {
  if (recording) event.preventDefault();
});
navigator.mediaDevices?.addEventListener("devicechange", showMicrophones);

translatePage();
if (!mayAsk()) explainMicrophone("insecure");
