"""Reading the configuration: defaults, files that cannot be read, overrides, credentials, plugin checks."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import wlkd.config.secrets
from wlkd import Component, ConfigError, Options, PluginError, Problem, ProvisionError
from wlkd.config import Config, credential, load_config, make_config, parse_setting, read_continuation_keys, read_tokens
from wlkd.config.document import read_document
from wlkd.contract.kinds import KINDS, Kind
from wlkd.plugins import load_plugins
from wlkd.testing import free_port


class Pcm(Component):
    class Config(Options):
        sample_rate: int = 16_000


class Whisper(Component):
    class Config(Options):
        model: str = "base"
        beam_size: int = 1


class Scripted(Component):
    class Config(Options):
        script: tuple[str, ...] = ("one", "two")


class Parts:
    """Loaded plugins with three sorts of components, and a check that the test gives."""

    def __init__(self, *found: Problem) -> None:
        self.found = list(found)
        self.checked: list[Config] = []

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return {name: KINDS[name] for name in ("decoder", "vad", "backend", "transport")}

    def component(self, kind: str, name: str) -> type[Component]:
        known: dict[str, type[Component]] = {
            "pcm": Pcm,
            "av": Pcm,
            "silero": Pcm,
            "simulstreaming": Whisper,
            "scripted": Scripted,
            "websocket": Component,
        }
        if name not in known:
            raise PluginError(f"no {kind} {name}")
        return known[name]

    def check_config(self, config: Config) -> list[Problem]:
        self.checked.append(config)
        return self.found

    def check_host(self, config: Config) -> list[Problem]:
        return []


def write(folder: Path, text: str) -> Path:
    path = folder / "wlkd.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path, parts: Parts | None = None, overrides: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, parts or Parts(), overrides or {})
    return [str(problem).replace(str(path), path.name) for problem in caught.value.problems]


@pytest.mark.parametrize("text", ["", "# only a comment\n", "server:\nsessions:\nbackend:\n", "backend: {}\n"])
def test_what_the_file_leaves_out_has_its_default(tmp_path: Path, text: str) -> None:
    config = load_config(write(tmp_path, text), Parts())
    assert config.server.port == 7100
    assert config.models_dir == Path("/data/whisper_models")
    assert config.sessions.max_sessions == "auto"
    assert config.decoders == {"pcm": Pcm.Config(), "av": Pcm.Config()}
    assert (config.vad.name, config.backend.name, list(config.transports)) == (
        "silero",
        "simulstreaming",
        ["websocket"],
    )
    assert config.backend.options == Whisper.Config()


def test_the_file_sets_core_and_component_options(tmp_path: Path) -> None:
    text = """
server: {port: 7200, allowed_origins: [https://example.org]}
recognition:
  language: no
  hotwords: [wlkd, "1984"]
decoders:
  pcm: {sample_rate: 8000}
backend:
  options: {model: small}
"""
    config = load_config(write(tmp_path, text), Parts())
    assert config.server.port == 7200
    assert config.server.allowed_origins == ("https://example.org",)
    assert config.recognition.language == "no", "Norwegian, not false"
    assert config.recognition.hotwords == ("wlkd", "1984")
    assert config.decoders == {"pcm": Pcm.Config(sample_rate=8000), "av": Pcm.Config()}, "named ones add to the default"
    assert config.backend.options == Whisper.Config(model="small")


def test_a_default_decoder_can_be_left_out(tmp_path: Path) -> None:
    assert list(load_config(write(tmp_path, "decoders: {av: false}"), Parts()).decoders) == ["pcm"]
    [problem] = problems(write(tmp_path, "decoders: {av: false, pcm: false}"))
    assert problem == "wlkd.yaml:1: decoders: leaves no decoder in use"


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    [problem] = problems(tmp_path / "wlkd.yaml")
    assert problem.startswith("wlkd.yaml: there is no such file; `wlkd check --print-default > ")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert problems(tmp_path) == [f"{tmp_path.name}: is a folder; name the file"]


def test_an_unreadable_file_names_the_user_and_the_mode(tmp_path: Path, monkeypatch: Any) -> None:
    path = write(tmp_path, "server:\n")
    path.chmod(0o600)

    def refuse(*_: Any, **__: Any) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)  # root reads everything, so the refusal is made here
    monkeypatch.setattr("os.geteuid", lambda: 4_000_000)
    assert problems(path) == [
        f"wlkd.yaml: user 4000000 may not read it (mode -rw-------, owner uid {os.getuid()})",
    ]


def test_other_encodings_are_refused_at_their_line(tmp_path: Path) -> None:
    path = tmp_path / "wlkd.yaml"
    path.write_bytes(b"server:\n  port: 7100\nrecognition:\n  initial_prompt: caf\xe9\n")
    assert problems(path) == ["wlkd.yaml:4: is not UTF-8 text"]


def test_a_byte_order_mark_is_no_character(tmp_path: Path) -> None:
    path = tmp_path / "wlkd.yaml"
    path.write_bytes(b"\xef\xbb\xbfserver: {port: 7300}\r\n")
    assert load_config(path, Parts()).server.port == 7300


def test_a_control_character_is_refused_at_its_line(tmp_path: Path) -> None:
    assert problems(write(tmp_path, "server:\n  port: 7100\x07\n")) == ["wlkd.yaml:2: character U+0007 is not allowed"]


def test_overrides_beat_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "server:\n  port: 7200\nbackend:\n  options: {model: small, beam_size: 3}\n")
    config = load_config(
        path, Parts(), {"server.port": 7300, "backend.options.model": "tiny.en", "decoders.pcm.sample_rate": 8000}
    )
    assert config.server.port == 7300
    assert config.backend.options == Whisper.Config(model="tiny.en", beam_size=3)
    assert config.decoders["pcm"] == Pcm.Config(sample_rate=8000)
    assert "av" in config.decoders, "an override of one decoder's option keeps the default decoders"


def test_another_backend_on_the_command_line_drops_the_options_of_the_files_backend(tmp_path: Path) -> None:
    path = write(tmp_path, "backend:\n  name: simulstreaming\n  options: {model: small}\n")
    config = load_config(path, Parts(), {"backend.options.script": ["a"], "backend.name": "scripted"})
    assert config.backend.options == Scripted.Config(script=("a",))


def test_a_bad_override_is_told_to_the_command_line(tmp_path: Path) -> None:
    path = write(tmp_path, "server:\n  port: 1\n  prot: 2\n")
    assert problems(path, overrides={"server.port": 70_000, "warmup.x": 1, "log_level.x": 1}) == [
        "wlkd.yaml:3: server.prot: unknown option; known: allowed_origins, host, port, tls_certificate, tls_key",
        "command line: log_level: must be 'debug', 'info', 'warning' or 'error', not a mapping",
        "command line: server.port: must be at most 65535, not 70000",
        "command line: warmup: must be true or false, not a mapping",
    ]


def test_an_override_below_a_value_of_the_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "log_level: info\n")
    assert problems(path, overrides={"log_level.x": 1}) == ["command line: log_level.x: log_level has no options"]


def test_settings_of_the_command_line_are_read_as_in_the_file() -> None:
    assert parse_setting("server.port=7200") == ("server.port", 7200)
    assert parse_setting("recognition.language=no") == ("recognition.language", "no")
    assert parse_setting("recognition.hotwords=[a, b]") == ("recognition.hotwords", ["a", "b"])
    assert parse_setting("recognition.initial_prompt=a=b") == ("recognition.initial_prompt", "a=b")
    with pytest.raises(ValueError, match="is not PATH=VALUE"):
        parse_setting("server.port")
    with pytest.raises(ValueError, match="not valid YAML"):
        parse_setting("recognition.hotwords=[a")


def test_plugins_check_what_was_read_and_their_problems_get_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "backend:\n  name: simulstreaming\n  options:\n    model: huge\n")
    parts = Parts(Problem("backend.options.model", "no folder for huge"), Problem("", "something general"))
    assert problems(path, parts) == [
        "wlkd.yaml:4: backend.options.model: no folder for huge",
        "wlkd.yaml: something general",
    ]
    assert parts.checked[0].backend.options == Whisper.Config(model="huge")


def test_what_an_engine_lacks_that_may_be_missing_is_a_warning_with_its_line(tmp_path: Path, caplog: Any) -> None:
    class Lacking(Parts):
        def check_host(self, config: Config) -> list[Problem]:
            return [Problem("engines.korean.options.model", "is missing")]

    korean = "engines:\n  korean: {name: scripted, required: false}\n"
    path = write(tmp_path, f"server: {{host: 127.0.0.1, port: {free_port()}}}\n{korean}")
    load_config(path, Lacking(), host=True)
    assert f"{path}:3: engines.korean.options.model: is missing; the other engines go on" in caplog.text


def test_plugins_are_not_asked_about_a_configuration_that_cannot_be_read(tmp_path: Path) -> None:
    parts = Parts()
    problems(write(tmp_path, "server: {port: x}\n"), parts)
    assert parts.checked == []


def test_a_component_whose_validator_breaks_is_a_problem_of_its_options(tmp_path: Path) -> None:
    class Broken(Parts):
        def component(self, kind: str, name: str) -> type[Component]:
            class Unfinished(Component):
                class Config(Options):
                    def __init__(self, **_: Any) -> None: ...

                    @classmethod
                    def model_validate_json(cls, *_: Any, **__: Any) -> Any:
                        raise KeyError("oops")

            return Unfinished

    assert problems(write(tmp_path, "vad:\n  options: {}\n"), Broken())[0] == (
        "wlkd.yaml:2: vad.options: could not be read: KeyError: 'oops'"
    )


def test_a_configuration_without_a_file() -> None:
    assert make_config({"backend": {"name": "scripted"}}, Parts()).backend.options == Scripted.Config()
    with pytest.raises(ConfigError, match=r"^server\.port: must be at least 1, not 0$"):
        make_config({"server": {"port": 0}}, Parts())


def test_a_bare_name_is_a_systemd_credential(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "tokens").write_text("secret\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert credential(Path("tokens")) == tmp_path / "tokens"
    assert credential(Path("/etc/wlkd/tokens")) == Path("/etc/wlkd/tokens")
    config = make_config({"auth": {"tokens_file": "tokens"}}, Parts())
    assert config.auth.tokens_file == Path("tokens")


def test_outside_of_the_unit_a_credential_is_in_the_store(tmp_path: Path, monkeypatch: Any) -> None:
    store, here = tmp_path / "store", tmp_path / "here"
    monkeypatch.setattr(wlkd.config.secrets, "CREDENTIAL_STORE", store)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    for folder in (store, here):
        folder.mkdir()
    monkeypatch.chdir(here)
    with pytest.raises(ConfigError, match=re.escape(f"{store}/tokens cannot be read: No such file")):
        make_config({"auth": {"tokens_file": "tokens"}}, Parts())
    (store / "tokens").write_text("secret\n")
    make_config({"auth": {"tokens_file": "tokens"}}, Parts())
    (here / "tokens").write_text("secret\n")
    assert credential(Path("tokens")) == Path("tokens")


def test_a_comment_is_no_part_of_a_token_or_key(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text(f"# of the newsroom\nsesame # the studio's\n\t#\nopen#sesame\t#1\n{'k' * 32}\n")
    assert read_tokens(secrets) == {"sesame", "open#sesame", "k" * 32}
    secrets.write_text(f"{'k' * 32} # made in March\n")
    assert read_continuation_keys(secrets) == (b"k" * 32,)
    secrets.write_text("short # openssl rand -base64 32 makes one\n")
    with pytest.raises(ProvisionError, match="no key of 32 characters"):
        read_continuation_keys(secrets)


def test_secrets_that_the_daemon_could_not_use(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("# nothing\n\n  # nor this, which openssl rand -base64 32 made\n")
    path = write(
        tmp_path,
        f"auth:\n  tokens_file: {secret}\n  continuation_key: {secret}\n"
        f"server:\n  tls_certificate: {secret}\n  tls_key: {secret}\n",
    )
    tokens, key, tls = problems(path)
    assert tokens == (
        f"wlkd.yaml:2: auth.tokens_file: {secret} holds no token, so nobody could connect; write one token a line, or "
        "take the option out to let everybody in"
    )
    assert key.startswith(f"wlkd.yaml:3: auth.continuation_key: {secret} holds no key of 32 characters or more; ")
    assert tls.startswith(f"wlkd.yaml:6: server.tls_key: cannot use {secret} with certificate {secret}: ")


def test_a_key_with_a_passphrase_is_refused_and_not_asked_for(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a key with")
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += [
        "-passout",
        "pass:open sesame",
        "-subj",
        "/CN=speech.example.org",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
    ]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    key = tmp_path / "key.pem"
    [problem] = problems(write(tmp_path, f"server: {{tls_certificate: {tmp_path}/cert.pem, tls_key: {key}}}"))
    assert problem.startswith(f"wlkd.yaml:1: server.tls_key: {key} has a passphrase, ")


def test_a_key_that_is_made_up_is_kept_whole_or_not_at_all(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))

    def fill_up(path: Path, _: bytes) -> int:
        path.open("wb").close()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full, pytest.raises(ProvisionError, match="No space left"):
        full.setattr(Path, "write_bytes", fill_up)
        read_continuation_keys(None)
    [key] = read_continuation_keys(None)
    assert len(key) >= 32 and read_continuation_keys(None) == (key,)
    assert [(file.name, file.stat().st_mode & 0o777) for file in tmp_path.iterdir()] == [("continuation-key", 0o600)]


def test_a_key_is_kept_in_the_first_folder_of_a_unit_that_has_more(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{tmp_path}:{tmp_path / 'further'}")
    assert read_continuation_keys(None) == ((tmp_path / "continuation-key").read_bytes(),)


def test_options_are_fixed_once_read() -> None:
    config = make_config({}, Parts())
    with pytest.raises(ValueError, match="frozen"):
        config.server.port = 1


@given(st.text(alphabet=st.sampled_from("a: -\n\t[]{}#&*!|>'\"%@`0.,?\x00\x07é\ud800")))
@example("!!int abc")
@example("!!float abc")
@example("a: " + 400 * "9")
@example("a: " + 5000 * "9")
def test_no_text_makes_the_reader_raise(text: str) -> None:
    document = read_document(text)
    assert all(1 <= mistake.line <= text.count("\n") + 2 for mistake in document.mistakes)


def test_a_number_that_is_none_is_shown_as_far_as_it_helps() -> None:
    [mistake] = read_document("a: !!int abc").mistakes
    assert mistake.message == "abc is not a finite number"
    [mistake] = read_document("a: " + 5000 * "9").mistakes
    assert mistake.message == 40 * "9" + "… is not a finite number"


def test_nesting_without_end_is_refused() -> None:
    [mistake] = read_document("[" * 5000).mistakes
    assert mistake.message == "nested too deeply"


def test_former_names_are_read_with_a_warning_that_says_the_new_one(tmp_path, caplog):
    file = tmp_path / "wlkd.yaml"
    file.write_text("decoders:\n  av:\n    max_mp4_bytes: 5000000\n    max_bad_packets: 50\n")
    config = load_config(file, load_plugins(), {"backend.name": "scripted"})
    assert config.many("decoders")["av"].model_dump()["max_file_bytes"] == 5_000_000
    assert [record.message for record in caplog.records] == [
        f"{file}:3: decoders.av.max_mp4_bytes: is called max_file_bytes now; rename it",
        f"{file}:4: decoders.av.max_bad_packets: has no effect any more; remove it",
    ]
