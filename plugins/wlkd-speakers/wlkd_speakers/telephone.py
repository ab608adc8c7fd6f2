"""What all voices have in common over a telephone, which is left out of every voice.

Over a telephone the voices of two people are 0.4 alike in the mean, where they are 0.05 otherwise: most of it is the
narrow band. It is one direction among the 192 of a voice. Without it two people are 0.06 alike over a telephone, and
other sound is told apart as before. (Known as nuisance attribute projection: A. Solomonoff, C. Quillen, W. Campbell:
"Channel compensation for SVM speaker recognition", Odyssey 2004, with one direction.)
"""

from __future__ import annotations

import base64

import numpy as np

from wlkd_speakers.voices import Vector


def packed(vector: Vector) -> str:
    """A byte for each number, relative to the largest; the length is left out."""
    return base64.b64encode(np.round(vector / np.abs(vector).max() * 127).astype(np.int8).tobytes()).decode()


def _unpacked(text: str) -> Vector:
    numbers = np.frombuffer(base64.b64decode(text), np.int8).astype(np.float32)
    return np.asarray(numbers / np.linalg.norm(numbers), dtype=np.float32)


TELEPHONE = _unpacked(
    "zugL2d/q7+X1787XAaX8DeQjIvdPAMkxBBnaMPgZ/AM1uzIlz7E3ABkQyiTwNegIGQT76e7mHn9z8vLw8v0+EfPT0u7s2j8c/SCX"
    "DBU1wBa4OeETECE/Br3rvxEJMt0xO//Z8w+lLOk59DAa1ssavwTC7jQvTh/JBygo098L9gDiNtwSFNTB2wyc9ucj+xdn1tE71B3l"
    "1tAf+fbZ77zI9gAQNhxA+gQQ9SRHrBMQ9uQuNBLj1R0NMP7Y+cAC6/ou"
)
"""The mean of 24 people in several languages, of whom none is in the telephone conversations of docs/speakers.md:
`python -m wlkd_bench.telephone`."""


def without_telephone(vector: Vector) -> Vector:
    """`vector` without its share of `TELEPHONE`, of length 1."""
    rest = vector - (vector @ TELEPHONE) * TELEPHONE
    return np.asarray(rest / np.linalg.norm(rest), dtype=np.float32)
