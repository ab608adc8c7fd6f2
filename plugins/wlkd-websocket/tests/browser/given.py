"""What several tests of the page need."""

from __future__ import annotations

import re

NOTICE = "#notice"

# What the browser has given the page to hear is in `window.given`.
TELL_GIVEN = """
for (const name of ["getUserMedia", "getDisplayMedia"]) {
  const ask = MediaDevices.prototype[name];
  MediaDevices.prototype[name] = async function (...wish) {
    return (window.given = await ask.apply(this, wish));
  };
}
"""


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


async def spans(visit) -> list[tuple[float, float]]:
    """Start and end of what each connection heard, in seconds of the transcript."""
    await visit.until("localStorage.getItem('wlkd.transcript') !== null")
    return await visit.evaluate(
        "JSON.parse(localStorage.getItem('wlkd.transcript'))"
        ".map(({offset, words}) => [offset, offset + (words.at(-1)?.end ?? 0)])"
    )
