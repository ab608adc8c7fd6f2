"""The inference threads: who waits, who is next, what one batch does, and how many streams fit."""
