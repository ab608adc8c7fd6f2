"""What transports share: a conversation and its end, ports, WebSockets, HTTP requests, readers, subtitles."""
