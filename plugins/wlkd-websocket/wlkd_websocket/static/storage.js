// What this browser keeps between visits. Storage may be forbidden or full: then things hold until the page is closed.

/** The value kept as `key`, or null. `where`: "sessionStorage" is this tab's own. */
export function kept(key, where = "localStorage") {
  try {
    return JSON.parse(window[where].getItem(`wlkd.${key}`));
  } catch {
    return null; // forbidden, or something else is kept there
  }
}

/** Keep `value` as `key`. False: it could not be kept. */
export function keep(key, value, where = "localStorage") {
  try {
    window[where].setItem(`wlkd.${key}`, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

export function forget(key) {
  try {
    localStorage.removeItem(`wlkd.${key}`);
  } catch {
    // Forbidden: nothing is kept there.
  }
}

/** All keys under which something is kept for every tab. */
export function keptKeys() {
  try {
    return Object.keys(localStorage).flatMap((key) => (key.startsWith("wlkd.") ? [key.slice("wlkd.".length)] : []));
  } catch {
    return []; // forbidden
  }
}
