"""Clients of `/asr`: one connection, or a stream that survives its connections."""

from wlkd.client.asr import (
    AsrStream,
    CannotResume,
    ClientError,
    Lost,
    Moving,
    Place,
    Refused,
    Transcript,
    connect,
)
from wlkd.client.resuming import Audio, FileAudio, LiveAudio, ResumingStream, connect_resuming

__all__ = [
    "AsrStream",
    "Audio",
    "CannotResume",
    "ClientError",
    "FileAudio",
    "LiveAudio",
    "Lost",
    "Moving",
    "Place",
    "Refused",
    "ResumingStream",
    "Transcript",
    "connect",
    "connect_resuming",
]
