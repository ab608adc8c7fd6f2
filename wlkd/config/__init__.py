"""The configuration: its options, how the file is read, and how every mistake in it is reported."""

from wlkd.config.options import Config, Part, RecognitionOptions, ServerOptions, SessionOptions, WorkerOptions
from wlkd.config.reader import DEFAULT_PATH, load_config, make_config, parse_setting
from wlkd.config.secrets import Certificate, credential, read_continuation_keys, read_tokens

__all__ = [
    "DEFAULT_PATH",
    "Certificate",
    "Config",
    "Part",
    "RecognitionOptions",
    "ServerOptions",
    "SessionOptions",
    "WorkerOptions",
    "credential",
    "load_config",
    "make_config",
    "parse_setting",
    "read_continuation_keys",
    "read_tokens",
]
