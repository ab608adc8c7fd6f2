"""What an operator can say about the decoder."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from wlkd import Options

MIB = 1 << 20


class AvOptions(Options):
    former: ClassVar = {"max_mp4_bytes": "max_file_bytes", "max_bad_packets": None}

    max_probe_bytes: int = Field(
        8 * MIB, ge=4096, description="A stream is refused if no audio is found in this number of bytes."
    )
    max_file_bytes: int = Field(
        512 * MIB,
        ge=4096,
        description="A recording that can only be read as a whole (an MP4 with its index at the end) is kept in the "
        "folder for temporary files until it is complete, up to this size.",
    )
    max_burst_seconds: int = Field(
        3600, ge=1, description="How much audio 32 KiB of input may unpack to: a protection against malicious files."
    )
