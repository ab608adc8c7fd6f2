"""What processor time do translations take? The references of clips, sentence by sentence, without any recognition.

  .venv/bin/python -m wlkd_bench.translation_cost fasttranslate --manifest speech/manifest.jsonl --set en_ljspeech_long

Counts processor time, which other programs on the machine hardly change. `finished`: each sentence once. `drafts`: what
there is of it after each second, as a listener sees it while there is time to spare.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from prometheus_client import CollectorRegistry

from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.components import Translator
from wlkd.contract.host import Context
from wlkd.contract.text import text_of
from wlkd.contract.types import Passage, Word
from wlkd.sessions.sentences import Sentences
from wlkd_bench.clips import Clip, read_manifest, select
from wlkd_bench.components import component
from wlkd_bench.mistakes import told_plainly


def spoken(clip: Clip) -> list[Word]:
    """The reference, spread evenly over the clip."""
    texts = clip.text.split()
    length = round(clip.seconds * SAMPLE_RATE / len(texts))
    return [Word(f" {text}", place * length, (place + 1) * length) for place, text in enumerate(texts)]


def finished(clip: Clip) -> Iterator[str]:
    """Its sentences, as a session cuts them."""
    sentences = Sentences()
    for word in spoken(clip):
        sentences.add(word, 0, clip.language)
    sentences.end()
    return (sentence.text for sentence in sentences.take())


def drafts(clip: Clip) -> Iterator[str]:
    """What there is of the sentence that goes on, after each second."""
    sentences, second = Sentences(), 1
    for word in spoken(clip):
        sentences.add(word, 0, clip.language)
        if word.end >= second * SAMPLE_RATE:
            second += 1
            if sentences.open:
                yield text_of(sentences.open).strip()


def cost(translator: Translator, passages: Sequence[Passage]) -> float:
    """Seconds of processor time for all of them, one after the other."""
    before = time.process_time()
    for passage in passages:
        translator.translate([passage])
    return time.process_time() - before


async def measure(args: argparse.Namespace) -> int:
    clips = [clip for clip in select(read_manifest(args.manifest), args.sets, args.limit) if clip.is_speech]
    ctx = Context(args.models, CollectorRegistry(), lambda text: None)
    translator = cast(Translator, await component("translator", args.translator, args.options, ctx))
    try:
        translator.warm_up()
        seconds = sum(clip.seconds for clip in clips)
        for name, texts in (("finished", finished), ("drafts", drafts)):
            passages = [
                Passage(text, clip.language, args.target)
                for clip, text in itertools.chain.from_iterable(((c, text) for text in texts(c)) for c in clips)
            ]
            spent = cost(translator, passages)
            each, share = 1000 * spent / max(len(passages), 1), spent / seconds
            print(f"{name}: {len(passages)} in {seconds:.0f} s of speech, {each:.0f} ms each, {share:.4f} of a core")
    finally:
        await translator.close()
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("translator", metavar="NAME", help="fasttranslate, ctranslate2, or a plugin's")
    parser.add_argument("--options", default={}, type=json.loads, metavar="JSON", help="the translator's options")
    parser.add_argument("--models", type=Path, default=Path("models"), metavar="DIR", help="default: models")
    parser.add_argument("--manifest", type=Path, required=True, metavar="FILE", help="JSON lines, a clip each")
    parser.add_argument("--set", action="append", default=[], metavar="NAME", dest="sets", help="only this set")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N clips of each set")
    parser.add_argument("--target", default="pt", metavar="CODE", help="language to translate into (default: pt)")
    return parser.parse_args()


if __name__ == "__main__":
    args = arguments()
    with told_plainly():
        sys.exit(asyncio.run(measure(args)))
