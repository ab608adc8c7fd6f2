"""What a stream says about itself."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime
from typing import Any

from wlkd import Note, Update
from wlkd.contract.audio import seconds
from wlkd.transports.notes import with_notes
from wlkd_deepgram.messages import MODEL_INFO


def new_request_id() -> str:
    """An id like those of the API."""
    return str(uuid.uuid4())


class Metadata:
    """Identity and digest of one stream of audio."""

    def __init__(self) -> None:
        self.channels = 1
        """That are told apart."""
        self.request_id = new_request_id()
        self._created = datetime.now(UTC)
        self._digest = hashlib.sha256()
        self.received = 0
        """Samples, as the session counts them."""
        self.notes: tuple[Note, ...] = ()

    def hear(self, data: bytes) -> None:
        """`data` came from the client."""
        self._digest.update(data)

    def take(self, update: Update) -> None:
        """What `update` says of the audio."""
        self.received = max(self.received, update.received)
        self.notes = tuple(dict.fromkeys((*self.notes, *update.notes)))

    def fields(self) -> dict[str, Any]:
        return {
            "transaction_key": "deprecated",
            "request_id": self.request_id,
            "sha256": self._digest.hexdigest(),
            "created": self._created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "duration": round(seconds(self.received), 3),
            "channels": self.channels,
            "models": [self.request_id],
            "model_info": {self.request_id: MODEL_INFO},
            **with_notes(self.notes),
        }
