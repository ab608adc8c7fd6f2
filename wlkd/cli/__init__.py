"""The subcommands of `wlkd`, one module each: `HELP`, `add_arguments(parser)` and `main(args) -> int`."""
