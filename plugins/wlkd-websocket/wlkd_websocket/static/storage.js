// What this browser keeps between visits. Storage may be forbidden or full: then things hold until the page is closed.

/** The value kept as `key`, or null. */
export function kept(key) {
  try {
    return JSON.parse(localStorage.getItem(`wlkd.${key}`));
  } catch {
    return null; // forbidden, or something else is kept there
  }
}

/** Keep `value` as `key`. False: it could not be kept. */
export function keep(key, value) {
  try {
    localStorage.setItem(`wlkd.${key}`, JSON.stringify(value));
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
