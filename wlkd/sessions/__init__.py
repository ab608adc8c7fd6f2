"""One client's stream: its life, its lines, and who may come in."""
