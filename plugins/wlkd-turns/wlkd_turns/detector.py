"""Turn detector `smart-turn`: the network judges the last eight seconds, intonation and all, where a VAD hears silence.

Smart Turn (Daily, BSD-2-Clause): a Whisper tiny encoder with a classifier, for 23 languages.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from wlkd import SAMPLE_RATE, Context, Options, ProvisionError, Samples, TurnDetector
from wlkd_turns.catalogue import NAME, network_file
from wlkd_turns.features import SECONDS, features


class SmartTurnOptions(Options):
    """Options of the turn detector `smart-turn`."""

    threads: int = Field(1, ge=1, description="CPU threads for one judgement.")


class SmartTurn(TurnDetector[SmartTurnOptions]):
    samples = SECONDS * SAMPLE_RATE
    _session: Any = None

    async def provision(self, ctx: Context) -> None:
        ctx.status("loading Smart Turn")
        self._session = await asyncio.to_thread(self._load, network_file(ctx.models_dir))
        await asyncio.to_thread(self.judge, np.zeros(SAMPLE_RATE, np.float32))

    def judge(self, samples: Samples) -> float:
        [[over]] = self._session.run(None, {"input_features": features(samples)})[0]
        return float(over)

    def _load(self, path: Path) -> Any:
        if not path.is_file():
            raise ProvisionError(f"{path} is missing; `wlkd models get {NAME}` brings it")
        # Before the library is loaded: see wlkd-silero.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.config.threads, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            raise ProvisionError(f"{path} cannot be loaded as an ONNX network: {error}") from error
