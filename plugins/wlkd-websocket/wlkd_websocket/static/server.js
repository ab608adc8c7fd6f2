// What the server can do, as it says itself; only that is offered.

import { serverUrl } from "./settings.js";

/** @type {{languages: string[], language: string, tasks: string[], chinese_script: string} | null} */
let offer = null;

/** What the server offers; null until it has said so, and where it is not this page's own server. */
export const offered = () => offer;

/** Ask the server what it offers. */
export async function askServer() {
  offer = null;
  const url = serverUrl();
  if (url === null) return;
  url.protocol = url.protocol === "wss:" ? "https:" : "http:";
  if (url.origin !== location.origin) return; // forbidden by this page's own policy
  url.pathname = url.pathname.replace(/\/?$/, "/capabilities");
  url.search = "";
  try {
    const response = await fetch(url);
    if (response.ok) offer = await response.json();
  } catch {
    // It does not answer now; everything is offered, and what it cannot do it will refuse.
  }
}
