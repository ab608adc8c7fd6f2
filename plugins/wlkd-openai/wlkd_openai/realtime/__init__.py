"""The realtime API's transcription sessions, over a WebSocket."""
