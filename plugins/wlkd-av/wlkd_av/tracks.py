"""Which of a recording's audio tracks is heard."""

from __future__ import annotations

from av.audio.stream import AudioStream
from av.container import InputContainer

from wlkd import Note
from wlkd_av.errors import Undecodable


def choose_track(container: InputContainer) -> tuple[AudioStream, Note | None]:
    """The track that a player would choose, and a note where there were others.

    The one that is marked as default, else the first; tracks for the blind or the deaf after the others.
    """
    streams = container.streams.audio
    # PyAV leaves codec_context out, against its own annotations, when libav has no decoder.
    playable = [stream for stream in streams if stream.codec_context is not None]
    if not playable:
        if streams:
            raise Undecodable("its audio codec is unknown")
        others = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise Undecodable(f"no audio in it, but {others}")
    chosen = max(playable, key=_liking)  # The first of those that are alike.
    if len(streams) == 1:
        return chosen, None
    tags = [chosen.metadata[name] for name in ("language", "title") if chosen.metadata.get(name, "und") != "und"]
    named = f" ({', '.join(tag[:80] for tag in tags)})" if tags else ""
    place = list(streams).index(chosen) + 1
    return chosen, Note("tracks", f"audio track {place} of {len(streams)} is transcribed{named}")


def _liking(stream: AudioStream) -> tuple[bool, bool]:
    marks = stream.disposition
    aside = type(marks).hearing_impaired | type(marks).visual_impaired | type(marks).comment
    return not marks & aside, bool(marks & type(marks).default)
