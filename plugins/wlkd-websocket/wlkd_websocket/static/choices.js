// The choices below the transcript: where the sound comes from, and what is spoken.

import { languageName, spokenLanguages, t, uiLanguage } from "./i18n.js";
import { offered } from "./server.js";
import { SEVERAL, save, settings } from "./settings.js";
import { BOTH, SHARED, mayShare, microphones } from "./sound.js";

const source = document.getElementById("source");
const language = document.getElementById("language");
const hint = document.getElementById("language-hint");
const scripts = document.getElementById("script");
const models = document.getElementById("model");
const SCRIPTS = ["simplified", "traditional", "traditional_hk", "as_heard"];

function fill(select, options, chosen) {
  select.replaceChildren(...options.map(([value, name]) => new Option(name, value, false, value === chosen)));
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}

/** Offer the sources there are now. */
export async function showSources() {
  const named = (await microphones()).map((device, n) => [
    device.deviceId,
    device.label || t("microphoneNumber", { n: n + 1 }),
  ]);
  const shared = [
    [SHARED, t("shared")],
    [BOTH, t("sharedAndMicrophone")],
  ];
  const options = [["", t("defaultMicrophone")], ...named.filter(([id]) => id !== "default"), ...(mayShare() ? shared : [])];
  fill(source, options, settings.source);
}

/** Offer the languages that the server knows. */
export function showLanguages() {
  const offer = offered();
  const configured = offer?.language ?? "auto";
  const byDefault = configured === "auto" ? t("auto") : t("configured", { name: languageName(configured) });
  const model = showModels(offer);
  const known = spokenLanguages((model ?? offer)?.languages);
  const automatic = configured === "auto" ? [] : [["auto", t("auto")]];
  // Of several models, the default one hears those who change the language.
  const follows = (model ?? offer?.engines?.[0])?.abilities?.several_languages ?? offer === null;
  const several = follows && !severalByDefault() ? [[SEVERAL, t("several")]] : [];
  // Nothing to recognize where the model knows one language.
  const all = known.length === 1 ? known : [["", byDefault], ...automatic, ...several, ...known];
  fill(language, all, settings.language);
  const script = offer?.chinese_script ?? SCRIPTS[0];
  fill(scripts, SCRIPTS.map((name) => [name === script ? "" : name, t(name)]), settings.script);
  // What this server does not have is not asked for; before it has answered, nothing is known to be missing.
  if (offer) Object.assign(settings, { language: language.value, script: scripts.value });
  showScript();
}

/** Whether "automatic" means several languages in turn at this server. */
const severalByDefault = () => offered()?.language_scope === "segment";

/** Offer the models of a server that has several. Returns the chosen one; null: that of the language. */
function showModels(offer) {
  const engines = offer?.engines ?? [];
  const named = engines.map(({ name, model, backend }) => [name, `${name} (${model || backend})`]);
  fill(models, [["", t("modelOfLanguage")], ...named], settings.model);
  if (offer) settings.model = models.value;
  document.getElementById("model-choice").hidden = engines.length < 2;
  return engines.find(({ name }) => name === settings.model) ?? null;
}

/** Chinese is written in several ways; asked only where Chinese may be spoken and the server can choose. */
function showScript() {
  const chosen = settings.language;
  const automatic = chosen === "auto" || (chosen === "" && (offered()?.language ?? "auto") === "auto");
  hint.hidden = !automatic && chosen !== SEVERAL;
  hint.textContent = t(automatic && !severalByDefault() ? "languageHint" : "severalHint");
  const open = ["", "auto", SEVERAL].includes(chosen);
  const mayBeChinese = ["zh", "yue"].includes(chosen) || (uiLanguage() === "zh" && open);
  document.getElementById("script-choice").hidden = !(offered()?.chinese_script && mayBeChinese);
}

/** Choices are for the next recording. */
export function lockChoices(locked) {
  for (const select of [source, language, scripts, models]) select.disabled = locked;
}

function remember(select, key) {
  select.addEventListener("change", () => {
    settings[key] = select.value;
    save();
    showScript();
  });
}

remember(source, "source");
remember(language, "language");
remember(scripts, "script");
remember(models, "model");
models.addEventListener("change", showLanguages);
