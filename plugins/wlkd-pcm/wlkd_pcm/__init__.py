"""wlkd decoder: raw PCM, mu-law and A-law at any rate and channel count."""
