"""wlkd transport: the /asr WebSocket and the built-in page."""
