"""wlkd backend: SimulStreaming, Whisper decoded simultaneously with AlignAtt."""
