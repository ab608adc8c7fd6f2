"""wlkd decoder: WebM, Ogg, MP4, MP3, FLAC, WAV and AAC as a stream, through PyAV."""
