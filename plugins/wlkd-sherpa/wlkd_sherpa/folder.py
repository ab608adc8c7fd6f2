"""The files of a model, by the names under which sherpa-onnx publishes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wlkd_models.access import absent, explain, read_fault


class NoModelError(Exception):
    """The folder holds no streaming model that can be read; the message says what is missing or in the way."""


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
        if absent(folder):
            raise NoModelError(
                f"{folder} is missing; `wlkd models get --help` names models, or unpack a streaming one there"
            )
        try:
            encoder, decoder, joiner = (_network(folder, part) for part in ("encoder", "decoder", "joiner"))
        except OSError as error:
            raise NoModelError(explain(Path(error.filename), error)) from error
        tokens, bpe = folder / "tokens.txt", folder / "bpe.vocab"
        lacking = [name for name, path in (("encoder*.onnx", encoder), ("decoder*.onnx", decoder)) if path is None]
        lacking += ["tokens.txt"] if absent(tokens) else []
        if encoder is None or decoder is None or lacking:
            raise NoModelError(f"{folder}: {', '.join(lacking)} is missing: this is no streaming model of sherpa-onnx")
        found = cls(tokens, encoder, decoder, joiner, None if absent(bpe) else bpe)
        for path in (tokens, encoder, decoder, found.joiner, found.bpe):
            # sherpa-onnx ends the whole program when it cannot read one.
            if path is not None and (fault := read_fault(path)) is not None:
                raise NoModelError(fault)
        return found

    @property
    def nbytes(self) -> int:
        """Of the networks together."""
        return sum(path.stat().st_size for path in (self.encoder, self.decoder, self.joiner) if path is not None)


def _network(folder: Path, part: str) -> Path | None:
    """The smaller one where there are several: 8-bit weights beside full ones. Raises OSError."""
    # Not glob: that finds nothing in a folder that it may not read.
    found = [path for path in folder.iterdir() if path.match(f"{part}*.onnx")]
    return min(found, key=lambda path: (path.stat().st_size, path.name), default=None)
