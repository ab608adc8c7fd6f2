"""What transports share: ports of their own, WebSockets with bounded waits, subtitles."""
