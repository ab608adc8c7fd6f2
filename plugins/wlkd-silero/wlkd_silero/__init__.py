"""wlkd VAD: Silero through onnxruntime."""
