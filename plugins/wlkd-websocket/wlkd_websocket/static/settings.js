// What the person chose, kept in this browser only, and the address that follows from it.

import { keep, kept } from "./storage.js";

/** As the language: several, in turn. */
export const SEVERAL = "several";

const DEFAULTS = {
  source: "", // of sound; empty: the default microphone
  language: "", // empty: as the server is configured
  script: "", // of Chinese; empty: as the server is configured
  model: "", // which of the server's; empty: that of the language
  target: "", // to translate into; empty: nothing is translated
  reading: "both", // of what is translated: both, spoken, translation
  server: "",
  token: "",
  hotwords: "",
  prompt: "",
  translate: false,
  diarize: false,
  captionSize: 1,
  ui: navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en",
};

export const settings = { ...DEFAULTS, ...kept("settings") };
let saved = { ...settings };
// A link with a token is newer than what this browser remembers.
settings.token = new URLSearchParams(location.search).get("token") || settings.token;

/** Keep what was changed here; another tab may have changed the rest. */
export function save() {
  const changed = Object.entries(settings).filter(([key, value]) => value !== saved[key]);
  keep("settings", { ...kept("settings"), ...Object.fromEntries(changed) });
  saved = { ...settings };
}

/** The WebSocket next to this page, also below a proxy's prefix. */
export function ownServer() {
  const url = new URL(`..${document.documentElement.dataset.path}`, import.meta.url);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/** The address to connect to, with the query; null when what was entered is not an address. */
export function serverUrl() {
  let text = settings.server.trim() || ownServer();
  if (!text.includes("://")) text = (location.protocol === "https:" ? "wss://" : "ws://") + text;
  let url;
  try {
    url = new URL(text.replace(/^http/, "ws"));
  } catch {
    return null;
  }
  if (!["ws:", "wss:"].includes(url.protocol)) return null;
  if (url.pathname === "/") url.pathname = "/asr";
  url.hash = "";
  const several = settings.language === SEVERAL;
  const wishes = {
    language: several ? "auto" : settings.language,
    language_scope: several ? "segment" : "",
    token: settings.token,
    hotwords: settings.hotwords.trim(),
    initial_prompt: settings.prompt.trim(),
    task: settings.translate ? "translate" : "",
    diarize: settings.diarize ? "true" : "",
    chinese_script: settings.script,
    model: settings.model,
    target_language: settings.target,
  };
  for (const [name, value] of Object.entries(wishes)) if (value) url.searchParams.set(name, value);
  return url;
}
