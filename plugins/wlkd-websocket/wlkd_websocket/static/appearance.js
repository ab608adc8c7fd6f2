// Light, dark, or as the system is. `theme.js` applies the choice before the first paint.

import { forget, keep } from "./storage.js";

const ORDER = ["system", "light", "dark"];
const root = document.documentElement;

/** One of ORDER. */
export const theme = () => root.dataset.theme ?? "system";

/** Change to the next one. */
export function nextTheme() {
  const next = ORDER[(ORDER.indexOf(theme()) + 1) % ORDER.length];
  if (next === "system") {
    delete root.dataset.theme;
    forget("theme");
  } else {
    root.dataset.theme = next;
    keep("theme", next);
  }
}
