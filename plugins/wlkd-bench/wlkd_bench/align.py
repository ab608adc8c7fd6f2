"""When did a transcript that grows first contain each of its final words?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile


def first_seen(states: Iterable[Sequence[str]], final: Sequence[str]) -> list[int | None]:
    """For each word of `final`, the index of the first state that contains it; None: no state does.

    A state may differ from the final text anywhere. It is aligned with the beginning of the final text that it
    resembles most, so that a word is not found in an earlier one of the same spelling.
    """
    found: list[int | None] = [None] * len(final)
    known = 0  # So many words at the beginning are found: an hour of speech need not be compared again for each word.
    for index, state in enumerate(states):
        skip = known if state[:known] == final[:known] else 0
        for place in matches(state[skip:], final[skip:]):
            if found[skip + place] is None:
                found[skip + place] = index
        while known < len(final) and found[known] is not None:
            known += 1
    return found


def matches(state: Sequence[str], final: Sequence[str]) -> list[int]:
    """Places in `final` that `state` contains, by the smallest edit distance between `state` and any beginning of
    `final` (of equally near ones, that of the most similar length)."""
    pairs = zip(state, final, strict=False)
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    rest = state[common:]
    # Twice as many words as the state has left: farther away nothing can be nearer.
    ahead = final[common : common + 2 * len(rest)]
    return [*range(common), *(common + place for place in _matches(rest, ahead))]


def _matches(state: Sequence[str], final: Sequence[str]) -> list[int]:
    distance = [list(range(len(final) + 1))]
    for row, word in enumerate(state, start=1):
        above, line = distance[-1], [row]
        for column, other in enumerate(final, start=1):
            line.append(min(above[column - 1] + (word != other), above[column] + 1, line[-1] + 1))
        distance.append(line)
    ends = range(len(final) + 1)
    row, column = len(state), min(ends, key=lambda end: (distance[-1][end], abs(end - len(state))))
    places = []
    while row and column:
        here = distance[row][column]
        same = state[row - 1] == final[column - 1]
        if here == distance[row - 1][column - 1] + (not same):
            row, column = row - 1, column - 1
            if same:
                places.append(column)
        elif here == distance[row - 1][column] + 1:
            row -= 1
        else:
            column -= 1
    return places[::-1]
