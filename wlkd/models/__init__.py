"""The models on disk: what they are, whether they fit together, where they come from.

The daemon uses `check_pair` and the paths; it never downloads. `wlkd.models.get` (with its `sources`) is the
only part of wlkd that fetches anything from outside, and only `wlkd models get` calls it.
"""

from wlkd.models.dims import ModelFileError, WhisperDims
from wlkd.models.folder import decoder_file, encoder_dir
from wlkd.models.modelbin import ModelBin
from wlkd.models.pairs import check_encoder, check_pair

__all__ = ["ModelBin", "ModelFileError", "WhisperDims", "check_encoder", "check_pair", "decoder_file", "encoder_dir"]
