"""What components return: what is not as their contract says is told by name, instead of failing far from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from numbers import Integral
from types import MethodType
from typing import Any, TypeGuard, TypeVar

import numpy as np

from wlkd.contract.components import Component
from wlkd.contract.types import Decoded, Diarization, Frame, Gap, Note, Pause, Samples, SpeechEvent, Turn, Word

T = TypeVar("T")


class WrongReturn(TypeError):
    """Names the method, what it gave and what is due."""


def wrong(call: Callable[..., object], fault: str) -> WrongReturn:
    """To be raised. `fault`: what `call` gave, and what is due instead."""
    owner = type(call.__self__) if isinstance(call, MethodType) else None
    name = call.__qualname__ if owner is None else f"{owner.__qualname__}.{call.__name__}"
    return WrongReturn(f"{(owner or call).__module__}.{name} gave {fault}")


def opened(component: Component[Any], stream: T, kind: type[Any]) -> T:
    """`stream`, which `component.open()` returned. Raises `WrongReturn`: one without `return` would fail elsewhere."""
    if not isinstance(stream, kind):
        cls = type(component)
        raise WrongReturn(f"{cls.__module__}.{cls.__qualname__}.open() returned {stream!r}; due is a {kind.__name__}")
    return stream


def decoded_items(call: Callable[..., object], made: Samples | Iterable[Decoded]) -> Iterator[Decoded]:
    """What `call` of a decoder made, item by item. Raises `WrongReturn`: anything else might be heard as noise."""
    due = "due are float32 samples of shape (n,), Gap or Note"
    for item in [made] if isinstance(made, np.ndarray) else _listed(made):
        if isinstance(item, np.ndarray):
            if not _is_sound(item):
                raise wrong(call, f"{item.dtype} samples of shape {item.shape}; {due}")
            yield item
        elif isinstance(item, Gap | Note):
            yield item
        else:
            raise wrong(call, f"{type(item).__name__}; {due}")


def speech_events(call: Callable[..., Iterable[SpeechEvent]], *args: object) -> list[SpeechEvent]:
    """What `call` of a VAD gives. Raises `WrongReturn`."""
    due = "due is a list of Frame, with float32 samples, and Pause; their places are int, like int(…)"
    events: list[Any] = list(_listed(call(*args)))
    for event in events:
        match event:
            case Pause(at=int()):
                continue
            case Frame(start=int(), samples=np.ndarray()) if _is_sound(event.samples):
                continue
            case Pause():
                raise wrong(call, f"{event!r}; {due}")
            case Frame():
                audio = event.samples
                kind = f"{audio.dtype} samples" if isinstance(audio, np.ndarray) else type(audio).__name__
                raise wrong(call, f"a Frame with start={event.start!r} and {kind}; {due}")
            case _:
                raise wrong(call, f"{type(event).__name__}; {due}")
    return events


def diarization(call: Callable[..., Diarization], *args: object) -> Diarization:
    """What `call` of a diarizer gives. Raises `WrongReturn`."""
    made: object = call(*args)
    if not isinstance(made, Diarization):
        raise wrong(call, f"{type(made).__name__}; due is a Diarization")
    if not isinstance(made.settled, Integral):
        raise wrong(call, f"settled={made.settled!r}; due is a sample index, a whole number")
    for turn in _listed(made.turns):
        if not isinstance(turn, Turn) or not (isinstance(turn.start, Integral) and isinstance(turn.end, Integral)):
            raise wrong(call, f"{turn!r} among the turns; due are Turns, with sample indexes as start and end")
        if not isinstance(turn.speaker, int) or not isinstance(turn.confidence, float | int | None):
            raise wrong(call, f"{turn!r}; due are a speaker as int, and a confidence as float, like float(…), or None")
    return made


def likelihood(call: Callable[..., float], *args: object) -> float:
    """What `call` of a turn detector gives. Raises `WrongReturn`."""
    made: object = call(*args)
    if not isinstance(made, float | int) or not 0 <= made <= 1:
        gave = repr(made) if isinstance(made, float | int | np.number) else type(made).__name__
        raise wrong(call, f"{gave}; due is a float from 0 to 1, like float(…)")
    return made


def languages(call: Callable[[], frozenset[str]]) -> frozenset[str]:
    """What `call` of a backend gives. Raises `WrongReturn`."""
    made: object = call()
    if not _are_codes(made):
        raise wrong(call, f"{made!r}; due is a frozenset of language codes")
    return frozenset(made)


def targets(call: Callable[[], Mapping[str, frozenset[str]]]) -> Mapping[str, frozenset[str]]:
    """What `call` of a translator gives. Raises `WrongReturn`."""
    made: object = call()
    if not isinstance(made, Mapping) or not _are_codes(made.keys()) or not all(map(_are_codes, made.values())):
        raise wrong(call, f"{made!r}; due is a mapping of language codes, each to a frozenset of language codes")
    return made


def fault_of_word(word: object) -> str | None:
    """What no client could be told of a word. A number of NumPy's would fail only when it becomes JSON, far from its
    maker, and for some clients alone."""
    if not isinstance(word, Word) or not isinstance(word.text, str):
        return f"{word!r} among the words; due are Words with a text"
    if not (isinstance(word.start, int) and isinstance(word.end, int)):
        return f"a word from {word.start!r} to {word.end!r}; due are start and end as int, sample indexes, like int(…)"
    if not isinstance(word.confidence, float | int | None):
        return f"{word.confidence!r} for a word; due is a confidence as float, like float(…), or None"
    return None


def _listed(made: object) -> Iterable[object]:
    return made if isinstance(made, Iterable) else (made,)


def _are_codes(made: object) -> TypeGuard[Set[str]]:
    return isinstance(made, Set) and all(isinstance(code, str) for code in made)


def _is_sound(samples: np.ndarray[Any, Any]) -> bool:
    return samples.dtype == np.float32 and samples.ndim == 1
