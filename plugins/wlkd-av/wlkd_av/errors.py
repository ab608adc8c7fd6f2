"""Why a container is given up."""


class Undecodable(Exception):
    """The container has nothing to offer, or stopped making sense; the message says what was found."""


class TooMuch(Undecodable):
    """A small piece of input that unpacks to more than anybody recorded."""
