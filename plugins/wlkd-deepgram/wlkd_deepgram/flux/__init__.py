"""Deepgram's API for conversations, `/v2/listen`: what was said in a turn, and when the turn is over."""
