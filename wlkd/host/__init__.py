"""The machine below: systemd, the journal, processors and memory. Imports nothing else of wlkd."""
