"""Whisper's models on disk: what they are, whether they fit together, where they come from.

Backends read `pairs`, `folder` and `dims`; `window` joins a stream's speech, `cuda` finds what CTranslate2 needs on a
GPU. `family` is what `wlkd models` knows of them.
"""
