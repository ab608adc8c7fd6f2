"""Updates as the messages of the live API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from wlkd import Update, Word
from wlkd.contract.audio import SAMPLE_RATE, seconds
from wlkd.contract.text import ends_sentence
from wlkd.contract.types import UNKNOWN_SPEAKER
from wlkd.transports.turns import has_all_words, patience
from wlkd_deepgram.query import Query
from wlkd_deepgram.text import PUNCTUATION, found

MODEL_INFO = {"name": "wlkd", "version": "1", "arch": "whisper"}
Message = dict[str, Any]


class Results:
    """The messages of one stream.

    Committed words are gathered for final results of about `final_seconds`, sooner at the end of a sentence or of a
    stretch of speech; until then they are shown by interim results, before the tentative tail. Times are of the
    monotonic clock, in seconds: silence brings no updates, and what it has to trigger comes by `on_time`.
    """

    def __init__(self, query: Query, request_id: str, final_seconds: float, channel: tuple[int, int] = (0, 1)) -> None:
        """`channel`: which one of how many; the first of one where all are mixed down."""
        self._query = query
        self._channel = list(channel)
        self.judged = False
        """A turn detector says how likely a pause ends the turn."""
        self._request_id = request_id
        self._final_samples = round(final_seconds * SAMPLE_RATE)
        self._held: list[Word] = []
        self._language: str | None = None
        """Of the words held, where answers name it."""
        self._interim: tuple[Word, ...] = ()
        self._position = 0
        """Sample index up to which results are final."""
        self._speech_start: int | None = None
        self._complete = False
        """Speech has paused, and all words before the pause have come."""
        self._speaking = False
        """Words came, and no result has said `speech_final` since."""
        self._last_word_end: int | None = None
        """Words of the utterance whose end was not sent yet."""
        self._endpoint_at: float | None = None
        self._silent_since = 0.0
        """When the latest pause began."""
        self._utterance_end_at: float | None = None
        self._finalizing: int | None = None
        """The flush that `Finalize` asked for, by its number."""

    def on_update(self, update: Update, now: float) -> list[Message]:
        """What `update` adds."""
        messages: list[Message] = []
        if update.speech_start is not None and update.speech_start != self._speech_start:
            self._speech_start = update.speech_start
            self._endpoint_at = self._utterance_end_at = None
            if self._complete:
                # Otherwise the words between the last one and the onset are still to come.
                messages += self._end_utterance_before(update.speech_start)
            self._complete = False
            if self._query.vad_events:
                messages.append(
                    {"type": "SpeechStarted", "channel": self._channel, "timestamp": in_seconds(update.speech_start)}
                )
        if self._query.multilingual and update.language != self._language:
            # The words of a result are in one language.
            messages += self.rest()
            self._language = update.language
        for word in update.committed:
            messages += self._end_utterance_before(word.start)
            self._held.append(word)
            self._speaking = True
            self._last_word_end = word.end
        self._complete |= has_all_words(update)
        if update.segment_end:
            messages += self._on_pause(update, now)
        elif self._held and self._finalizing is None and self._is_long(update.language):
            messages.append(self._final())
        if self._endpoint_at is not None and update.turn_over is not None:
            # The judgement may come after the pause.
            silence = (self._query.endpointing_ms or 0) / 1000
            self._endpoint_at = self._silent_since + patience(silence, update, judged=self.judged)
        shown = (*self._held, *update.waiting, *update.tentative)
        if self._query.interim_results and shown and shown != self._interim:
            messages.append(self._result(shown))
        self._interim = shown
        if self._finalizing is not None and (update.final or update.flushes >= self._finalizing):
            messages.append(self._finalized())
        return messages

    def on_time(self, now: float) -> list[Message]:
        """What the silence since the last update adds."""
        messages: list[Message] = []
        if self._endpoint_at is not None and self._endpoint_at <= now:
            messages.append(self._final(speech_final=True))
        if self._utterance_end_at is not None and self._utterance_end_at <= now:
            messages += self._end_utterance()
        return messages

    def wait_seconds(self, now: float) -> float | None:
        """When `on_time` has something to say; None: only after another update."""
        times = [at for at in (self._endpoint_at, self._utterance_end_at) if at is not None]
        return max(min(times) - now, 0.0) if times else None

    def finalize(self, flush: int) -> None:
        """`Finalize` was received: what the session's flush of that number brings goes into one result."""
        self._finalizing = flush

    def rest(self) -> list[Message]:
        """What no result has said yet, as a final one."""
        return [self._final()] if self._held else []

    def _finalized(self) -> Message:
        self._finalizing = None
        ends = self._speaking and self._query.endpointing_ms is not None
        return {**self._final(speech_final=ends), "from_finalize": True}

    def _on_pause(self, update: Update, now: float) -> list[Message]:
        if update.speech_start is not None and not has_all_words(update):
            # The last words before it came when speech had gone on: nothing has ended.
            return [self._final()] if self._held and self._finalizing is None else []
        if self._query.utterance_end_ms is not None and self._last_word_end is not None:
            silence = seconds(update.received - self._last_word_end)
            self._utterance_end_at = now + self._query.utterance_end_ms / 1000 - silence
        if self._finalizing is not None or not (self._speaking or self._held):
            return []
        threshold = self._query.endpointing_ms
        if threshold is None:
            return [self._final()] if self._held else []
        silence = 0.0 if update.speech_end is None else seconds(update.received - update.speech_end)
        wanted = patience(threshold / 1000, update, judged=self.judged)
        if silence >= wanted or update.final:
            return [self._final(speech_final=True)]
        self._silent_since = now - silence
        self._endpoint_at = self._silent_since + wanted
        return [self._final()] if self._held else []

    def _is_long(self, language: str | None) -> bool:
        span = self._held[-1].end - self._held[0].start
        return span >= self._final_samples or ends_sentence(self._held[-1].text, language)

    def _end_utterance_before(self, start: int) -> list[Message]:
        """The end of an utterance that is known only now that the next one begins at sample index `start`."""
        gap = self._query.utterance_end_ms
        if gap is None or self._last_word_end is None or seconds(start - self._last_word_end) < gap / 1000:
            return []
        return self._end_utterance()

    def _end_utterance(self) -> list[Message]:
        messages = [self._final()] if self._held else []
        if self._last_word_end is not None:
            messages.append(
                {"type": "UtteranceEnd", "channel": self._channel, "last_word_end": in_seconds(self._last_word_end)}
            )
        self._utterance_end_at = self._last_word_end = None
        return messages

    def _final(self, *, speech_final: bool = False) -> Message:
        words = tuple(self._held)
        message = self._result(words, is_final=True, speech_final=speech_final)
        self._held.clear()
        if words:
            self._position = words[-1].end
        if speech_final:
            self._speaking = False
            self._endpoint_at = None
        return message

    def _result(self, words: Sequence[Word], *, is_final: bool = False, speech_final: bool = False) -> Message:
        end = max(words[-1].end, self._position) if words else self._position
        best = alternative(words, [self._language] * len(words))
        return {
            "type": "Results",
            "channel_index": self._channel,
            "start": in_seconds(self._position),
            "duration": in_seconds(end - self._position),
            "is_final": is_final,
            "speech_final": speech_final,
            "from_finalize": False,
            "channel": {"alternatives": [best], **found(self._query.search if is_final else (), words)},
            "metadata": {"request_id": self._request_id, "model_info": MODEL_INFO, "model_uuid": self._request_id},
        }


def alternative(words: Sequence[Word], languages: Sequence[str | None] = ()) -> Message:
    """Words as a transcript with times in seconds. `languages`: that of each word, where answers name them."""
    named = Counter(language for language in languages if language is not None)
    return {
        "transcript": "".join(word.text for word in words).strip(),
        "confidence": confidence(words),
        **({"languages": [language for language, _ in named.most_common()]} if named else {}),
        "words": [
            {
                "word": word.text.strip().strip(PUNCTUATION).lower() or word.text.strip(),
                "start": in_seconds(word.start),
                "end": in_seconds(word.end),
                "confidence": confidence([word]),
                "punctuated_word": word.text.strip(),
                **who(word),
                **({"language": language} if language is not None else {}),
            }
            for word, language in zip_longest(words, languages)
        ],
    }


def who(word: Word) -> Message:
    """Its speaker, counted from 0; nothing if speakers are not told apart, or none was known."""
    if word.speaker is None or word.speaker == UNKNOWN_SPEAKER:
        return {}
    return {"speaker": word.speaker - 1, "speaker_confidence": round(word.speaker_confidence or 0.0, 4)}


def confidence(words: Sequence[Word]) -> float:
    """The mean; 0 where the backend tells none."""
    known = [word.confidence for word in words if word.confidence is not None]
    return round(sum(known) / len(known), 4) if known else 0.0


def in_seconds(samples: int) -> float:
    """As the API writes times."""
    return round(seconds(samples), 3)
