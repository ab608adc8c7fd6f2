"""The files of a model, by the names under which sherpa-onnx publishes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class NoModelError(Exception):
    """The folder holds no streaming model; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A transducer, or without a joiner, a paraformer."""

    tokens: Path
    encoder: Path
    decoder: Path
    joiner: Path | None
    bpe: Path | None

    @classmethod
    def find(cls, folder: Path) -> ModelFiles:
        """Raises `NoModelError`."""
        if not folder.is_dir():
            raise NoModelError(
                f"{folder} is missing; `wlkd models get --help` names models, or unpack a streaming one there"
            )
        encoder, decoder, joiner = (_network(folder, part) for part in ("encoder", "decoder", "joiner"))
        tokens, bpe = folder / "tokens.txt", folder / "bpe.vocab"
        lacking = [name for name, path in (("encoder*.onnx", encoder), ("decoder*.onnx", decoder)) if path is None]
        lacking += [] if tokens.is_file() else ["tokens.txt"]
        if encoder is None or decoder is None or lacking:
            raise NoModelError(f"{folder}: {', '.join(lacking)} is missing: this is no streaming model of sherpa-onnx")
        return cls(tokens, encoder, decoder, joiner, bpe if bpe.is_file() else None)

    @property
    def nbytes(self) -> int:
        """Of the networks together."""
        return sum(path.stat().st_size for path in (self.encoder, self.decoder, self.joiner) if path is not None)


def _network(folder: Path, part: str) -> Path | None:
    """The smaller one where there are several: 8-bit weights beside full ones."""
    return min(folder.glob(f"{part}*.onnx"), key=lambda path: (path.stat().st_size, path.name), default=None)
