// Where this tab keeps its transcript: each open tab has a place of its own, numbered from 1.

import { keep, kept, keptKeys } from "./storage.js";

/** The key of what is kept as `name` at `place`; at the first one the plain name. */
export const keyAt = (name, place) => (place === 1 ? name : `${name}.${place}`);

/** The place that this tab had before a reload, or before the browser was restored; null: the tab is new. */
export const ownPlace = () => kept("place", "sessionStorage");

/** Hold `place` until the tab is closed. False: another tab has it. */
function take(place) {
  // Over plain HTTP browsers have no locks, and tabs share the place.
  if (!navigator.locks) return true;
  return new Promise((resolve) => {
    const hold = (lock) => {
      resolve(lock !== null);
      return lock && new Promise(() => {});
    };
    navigator.locks.request(keyAt("wlkd.place", place), { ifAvailable: true }, hold).catch(() => resolve(true));
  });
}

function* candidates() {
  const full = keptKeys().filter((key) => /^transcript(\.\d+)?$/.test(key));
  const places = full.map((key) => Number(key.split(".")[1] ?? 1));
  const own = ownPlace();
  const used = kept("places") ?? [];
  if (own !== null) yield own;
  // Those that closed tabs have left, the last one first.
  else yield* [...used.filter((place) => places.includes(place)), ...places];
  for (let place = 1; ; place++) if (!places.includes(place)) yield place;
}

/** Note that something was kept at `place` now. */
export function notePlace(place) {
  const others = (kept("places") ?? []).filter((other) => other !== place);
  keep("places", [place, ...others]); // the last used one first
}

/** Take the place that this tab had; else one whose tab was closed, for a new tab; else an empty one. */
export async function takePlace() {
  for (const place of candidates()) {
    if (!(await take(place))) continue;
    keep("place", place, "sessionStorage");
    return place;
  }
}
