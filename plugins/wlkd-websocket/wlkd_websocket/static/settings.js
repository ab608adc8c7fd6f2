// What the person chose, kept in this browser only.

const KEPT = ["microphone", "language", "server", "token", "hotwords", "translate", "ui"];

function stored() {
  try {
    return JSON.parse(localStorage.getItem("wlkd.settings")) ?? {};
  } catch {
    return {}; // storage is forbidden, or holds something else
  }
}

export const settings = {
  microphone: "",
  language: "auto",
  server: "",
  token: "",
  hotwords: "",
  translate: false,
  ui: navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en",
  ...stored(),
};
// A link with a token is newer than what this browser remembers.
settings.token = new URLSearchParams(location.search).get("token") || settings.token;

export function save() {
  try {
    const kept = Object.fromEntries(KEPT.map((key) => [key, settings[key]]));
    localStorage.setItem("wlkd.settings", JSON.stringify(kept));
  } catch {
    // Storage is forbidden; the choice holds until the page is closed.
  }
}

/** The WebSocket next to this page, also below a proxy's prefix. */
export function ownServer() {
  const url = new URL("../asr", import.meta.url);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/** The address to connect to, with the query; null when what was entered is no address. */
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
  const query = url.searchParams;
  query.set("language", settings.language);
  if (settings.token) query.set("token", settings.token);
  if (settings.hotwords.trim()) query.set("hotwords", settings.hotwords.trim());
  if (settings.translate) query.set("task", "translate");
  return url;
}
