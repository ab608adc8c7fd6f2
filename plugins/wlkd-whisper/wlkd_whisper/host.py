"""What `wlkd check` can tell of Whisper's files and devices by a look at this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wlkd_models.access import folder_fault

from wlkd import Config, Problem
from wlkd_whisper.folder import private_paths
from wlkd_whisper.pairs import check_encoder, check_pair, known_languages

NVIDIA = Path("/dev/nvidiactl")
"""There where NVIDIA's driver is at work."""


def pair_problems(models_dir: Path, size: str, place: str = "backend") -> Iterator[Problem]:
    """Why encoder and decoder of `size` cannot be used, or not by the service's user. `place`: of the backend in the
    configuration."""
    yield from _problems(check_pair(models_dir, size) or _private(models_dir, size), models_dir, place)


def encoder_problems(models_dir: Path, size: str, place: str = "backend") -> Iterator[Problem]:
    """The same of the encoder alone."""
    yield from _problems(check_encoder(models_dir, size) or _private(models_dir, size), models_dir, place)


def language_problems(config: Config, size: str, place: str = "backend") -> Iterator[Problem]:
    """What `config` asks of the model at `place` and this one does not know, once its files are right."""
    known = known_languages(config.models_dir, size)
    name = "default" if place == "backend" else place.removeprefix("engines.")
    asked = {f"routing.{language}": language for language, engine in config.routing.items() if engine == name}
    if place == "backend":
        spoken = config.recognition
        wanted = {f"recognition.languages.{n}": language for n, language in enumerate(spoken.languages)}
        wanted["recognition.language"] = spoken.language
        elsewhere = config.routing.keys() | {"auto"}
        asked |= {option: language for option, language in wanted.items() if language not in elsewhere}
        if spoken.task == "translate" and known == {"en"}:
            yield Problem("recognition.task", f"{size} knows English only and cannot translate; write transcribe")
    for option, language in asked.items():
        if language not in known:
            yield Problem(option, f"{size} does not know {language}; known: {', '.join(sorted(known))}")


def device_problems(device: str, place: str = "backend") -> Iterator[Problem]:
    """Why the configured device cannot be used."""
    if device == "cuda" and not NVIDIA.exists():
        yield Problem(
            f"{place}.options.device", f"no NVIDIA driver is at work here ({NVIDIA} is missing); write auto or cpu"
        )


def _private(models_dir: Path, size: str) -> list[str]:
    return [f"{path}: other users cannot read it; `chmod -R a+rX {path}`" for path in private_paths(models_dir, size)]


def _problems(sentences: list[str], models_dir: Path, place: str) -> Iterator[Problem]:
    if sentences and place == "backend" and (fault := folder_fault(models_dir)):
        # Said at the option that is wrong. Of a further engine it is not: `required: false` excuses what is said of it.
        yield Problem("models_dir", f"{fault}; name the folder that holds the models")
        return
    yield from (Problem(f"{place}.options.model", sentence) for sentence in sentences)
