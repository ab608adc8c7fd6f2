"""Files whose speech is made up."""

import numpy as np

from wlkd import Frame
from wlkd.contract.audio import samples


def speech(start: float, length: float) -> Frame:
    """From and for so many seconds."""
    return Frame(samples(start), np.ones(samples(length), dtype=np.float32))
