"""wlkd backend: speaks a script; the ASR of fast tests."""
