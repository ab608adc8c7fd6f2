"""One batch on an inference thread. A step that raises costs no other step."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from wlkd.contract.components import Backend
from wlkd.contract.errors import Code, SessionError
from wlkd.contract.returned import fault_of_word, wrong
from wlkd.contract.types import Commit, Frame
from wlkd.inference.backlog import Outcome, Step, Stream

logger = logging.getLogger(__name__)


def run_batch(backend: Backend, steps: Sequence[Step]) -> list[Outcome]:
    """One outcome for each step, in order."""
    outcomes: dict[Stream, Outcome] = {}
    ready: list[Step] = []
    for step in steps:
        recognizer = step.stream.recognizer
        try:
            for event in step.events:
                if isinstance(event, Frame):
                    recognizer.accept(event)
                elif event.over:
                    recognizer.end_segment(event.at)
                else:
                    recognizer.pause(event.at)
            ready.append(step)
        except Exception as error:
            outcomes[step.stream] = _failure(error)
    outcomes.update(_run(backend, ready))
    return [outcomes[step.stream] for step in steps]


def _run(backend: Backend, steps: Sequence[Step]) -> dict[Stream, Outcome]:
    if not steps:
        return {}
    try:
        commits = backend.run([step.plan for step in steps])
        _check(backend, commits, len(steps))
    except Exception as error:
        if len(steps) == 1:
            return {steps[0].stream: _failure(error)}
        logger.warning("a batch of %d failed (%r); running its members one by one", len(steps), error)
        outcomes: dict[Stream, Outcome] = {}
        for step in steps:
            outcomes.update(_run(backend, [step]))
        return outcomes
    return {step.stream: _outcome(backend, step.stream, commit) for step, commit in zip(steps, commits, strict=True)}


def _outcome(backend: Backend, stream: Stream, commit: Commit) -> Outcome:
    """`commit`, once it is known how the next step of `stream` may be taken."""
    try:
        if fault := _fault_of(commit):
            logger.error("%s", wrong(backend.run, fault))
            return SessionError(Code.INTERNAL, "internal error: the recognized words are malformed")
        stream.bridges_pauses = stream.recognizer.bridges_pauses
    except Exception as error:
        return _failure(error)
    return commit


def _check(backend: Backend, commits: object, due: int) -> None:
    """Raises `WrongReturn` for what is not a commit for each plan: it would fail far from the backend."""
    made = commits if isinstance(commits, Sequence) else [commits]
    if len(made) != due or not all(isinstance(commit, Commit) for commit in made):
        kinds = ", ".join(sorted({type(commit).__name__ for commit in made})) or "nothing"
        raise wrong(backend.run, f"{len(made)} x {kinds}; due is a list of {due} x Commit")


def _fault_of(commit: Commit) -> str | None:
    """What no client could be told of it."""
    if not isinstance(commit.until, int):
        return f"until={commit.until!r}; due is an int, like int(…)"
    words = (*commit.words, *commit.tentative)
    return next((fault for word in words if (fault := fault_of_word(word)) is not None), None)


def _failure(error: Exception) -> Exception:
    if isinstance(error, SessionError):
        return error
    logger.error("inference failed", exc_info=error)
    failure = SessionError(Code.BACKEND_FAILED, f"speech recognition failed: {type(error).__name__}")
    failure.__cause__ = error
    return failure
