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

/** The places at which a transcript is kept, the last used one first. */
function usedPlaces() {
  const full = keptKeys().filter((key) => /^transcript(\.\d+)?$/.test(key));
  const places = full.map((key) => Number(key.split(".")[1] ?? 1));
  const used = kept("places") ?? [];
  return [...new Set([...used.filter((place) => places.includes(place)), ...places])];
}

function* candidates() {
  const places = usedPlaces();
  const own = ownPlace();
  if (own !== null) yield own;
  // Those that closed tabs have left.
  else yield* places;
  for (let place = 1; ; place++) if (!places.includes(place)) yield place;
}

/** The used places that no open tab has. */
export async function leftPlaces() {
  if (!navigator.locks) return [];
  const taken = (await navigator.locks.query()).held.map(({ name }) => name);
  return usedPlaces().filter((place) => !taken.includes(keyAt("wlkd.place", place)));
}

/** Begin anew as the tab that had `place`. */
export function moveTo(place) {
  keep("place", place, "sessionStorage");
  location.reload();
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
