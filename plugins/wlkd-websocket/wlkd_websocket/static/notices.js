// Explanations above the transcript: what happened, and what to do about it.

import { focusTranscript } from "./focus.js";
import { t } from "./i18n.js";

const box = document.getElementById("notice");

function element(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

function copyable(text) {
  const code = element("code", text);
  const button = element("button", t("copyAddress"), "mini");
  button.type = "button";
  button.addEventListener("click", () => {
    // Without a secure origin there is no clipboard: select, so that the keyboard can copy.
    getSelection().selectAllChildren(code);
    document.execCommand("copy");
  });
  const both = element("span", "", "copyable");
  both.append(code, button);
  return both;
}

/** A paragraph of the text `key` whose `{name}`s are elements to copy from. */
function withCopyable(key, values) {
  const paragraph = element("li", "");
  const marks = Object.fromEntries(Object.keys(values).map((name) => [name, `\u0000${name}\u0000`]));
  for (const [index, part] of t(key, marks).split("\u0000").entries()) {
    paragraph.append(index % 2 ? copyable(values[part]) : part);
  }
  return paragraph;
}

function remediesForInsecureOrigin() {
  const list = element("ul", "");
  list.append(element("li", t("insecureTls")));
  const agent = navigator.userAgent;
  if (agent.includes("Firefox/")) {
    const flags = "media.devices.insecure.enabled, media.getusermedia.insecure.enabled";
    list.append(withCopyable("insecureFirefox", { flags }));
  } else if (agent.includes("Chrome/")) {
    const scheme = agent.includes("Edg/") ? "edge" : "chrome";
    const flags = `${scheme}://flags/#unsafely-treat-insecure-origin-as-secure`;
    list.append(withCopyable("insecureFlag", { flags, origin: location.origin }));
  }
  return list;
}

/** `Body` with the seconds that are left in an element of their own: they count without being read aloud. */
function body(kind, values) {
  const paragraph = element("p", "");
  const [before, after] = t(`${kind}Body`, { ...values, s: "\u0000" }).split("\u0000");
  paragraph.append(before);
  if (after !== undefined) {
    const left = element("span", "", "left");
    left.setAttribute("aria-live", "off");
    paragraph.append(left, after);
  }
  return paragraph;
}

function countDown() {
  const left = box.querySelector(".left");
  if (left === null) return;
  const text = String(Math.max(0, Math.ceil((shown.until - performance.now()) / 1000)));
  if (left.textContent !== text) left.textContent = text;
}

let shown = null;
let counting = null;

/**
 * Explain `kind` (the prefix of its texts). `actions` are `[text key, function]`. `values.seconds` count down where the
 * text has an {s}.
 */
export function explain(kind, values = {}, actions = []) {
  const notice = { kind, values, actions, until: performance.now() + 1000 * (values.seconds ?? 0) };
  // Once is enough: each attempt in vain would be read aloud again.
  if (shown !== null && said(shown) === said(notice)) shown.until = notice.until;
  else show(notice);
}

const said = ({ kind, values }) => t(`${kind}Title`) + t(`${kind}Body`, values);

function show(notice) {
  const { kind, values, actions } = (shown = notice);
  const text = element("div", "", "notice-text");
  text.append(element("strong", t(`${kind}Title`)), body(kind, values));
  if (kind === "insecure") text.append(remediesForInsecureOrigin());
  const buttons = element("div", "", "notice-actions");
  for (const [key, action] of actions) {
    const button = element("button", t(key));
    button.type = "button";
    button.addEventListener("click", action);
    buttons.append(button);
  }
  // Who pressed a button with the space bar may press it again: on the page the bar ends the recording.
  const pressed = [...box.querySelectorAll("button")].indexOf(document.activeElement);
  box.replaceChildren(text, buttons);
  box.querySelectorAll("button")[pressed]?.focus();
  box.dataset.kind = kind;
  box.hidden = false;
  clearInterval(counting);
  countDown();
  counting = setInterval(countDown, 250);
}

/** Take the explanation away; with `kinds`, only if it is one of those: their cause is gone. */
export function dismiss(...kinds) {
  if (shown === null || (kinds.length && !kinds.includes(shown.kind))) return;
  shown = null;
  clearInterval(counting);
  focusTranscript(box);
  box.hidden = true;
  delete box.dataset.kind;
}

/** Say it again in the page's new language. */
export function translateNotice() {
  if (shown) show(shown);
}
