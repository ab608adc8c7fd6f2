"""How well does a diarizer tell voices apart? Without a recognizer: the VAD's speech, and the true times of the words.

  python -m wlkd_bench.voices conversations.jsonl --models models
  python -m wlkd_bench.voices conversations.jsonl --models models --upload

Takes a minute for 20 minutes of audio, in this process. `wlkd_bench.diarization` measures the daemon, with the words
that it recognizes; this tells the diarizer's share of the errors. Every word waits until it is settled who spoke.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from pathlib import Path
from typing import Any, cast

from prometheus_client import CollectorRegistry

from wlkd import Commit, Context, DiarizationParams, Diarizer, Frame, Vad, Word
from wlkd.contract.audio import samples, seconds
from wlkd.sessions.attribution import Attribution
from wlkd_bench.clips import Clip
from wlkd_bench.components import component
from wlkd_bench.diarization import Conversation, Result, Told, read_conversations, report, score, told_of
from wlkd_bench.mistakes import told_plainly
from wlkd_bench.pieces import PIECE_SECONDS, read_audio

logger = logging.getLogger(__name__)


def tell(vad: Vad, diarizer: Diarizer[Any], conversation: Conversation, *, upload: bool) -> list[Told]:
    """The words of the reference with the speakers that the diarizer gives them, and seconds from a word's end to when
    its speaker is settled."""
    clip = Clip("", conversation.name, conversation.path, conversation.seconds, conversation.language, "")
    audio = read_audio(clip)
    listening, stream = vad.open(), diarizer.open(DiarizationParams(whole=upload))
    words = sorted(conversation.words)
    attribution = Attribution(None)
    attribution.add(Commit(tuple(Word(" x", samples(word.start), samples(word.end)) for word in words)), 0.0)
    told: list[Told] = []

    def take(at: int) -> None:
        for commit in attribution.take(0.0):
            for word in commit.words:
                told.append(told_of(word, None if upload else max(seconds(at - word.end), 0.0)))

    for start in range(0, len(audio), samples(PIECE_SECONDS)):
        frame = Frame(start, audio[start : start + samples(PIECE_SECONDS)])
        attribution.told(stream.feed(listening.feed(frame)))
        take(frame.end)
    attribution.told(stream.feed(listening.finish()))
    attribution.told(stream.finish())
    attribution.fail()
    take(len(audio))
    return told


async def measure(arguments: argparse.Namespace) -> None:
    conversations = read_conversations(arguments.manifest, arguments.sets)
    ctx = Context(arguments.models, CollectorRegistry(), logger.info)
    vad = cast(Vad, await component("vad", "silero", {}, ctx))
    diarizer = cast(Diarizer[Any], await component("diarizer", arguments.diarizer, {}, ctx))
    results: list[Result] = []
    for conversation in conversations:
        results.append(score(conversation, tell(vad, diarizer, conversation, upload=arguments.upload)))
    print(report(results))
    await diarizer.close()
    await vad.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--models", type=Path, default=Path("models"), help="the models folder")
    parser.add_argument("--diarizer", default="campplus")
    parser.add_argument("--set", action="append", default=[], dest="sets", help="a set of the manifest; repeatable")
    parser.add_argument("--upload", action="store_true", help="as a whole recording, told at its end")
    args = parser.parse_args()
    with told_plainly():
        asyncio.run(measure(args))


if __name__ == "__main__":
    main()
