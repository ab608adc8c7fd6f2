"""The daemon: its parts put together, its life, and what it shows to the outside."""
