"""Lines grow by commits, and what was committed stays."""

from hypothesis import given
from hypothesis import strategies as st

from wlkd.contract.types import Commit, Line, Word
from wlkd.sessions.transcript import Transcript

SECOND = 16_000


def transcript() -> Transcript:
    return Transcript(line_pause=2 * SECOND, silence_line=5 * SECOND, max_line=10 * SECOND)


def word(text: str, start: float, end: float) -> Word:
    return Word(text, round(start * SECOND), round(end * SECOND))


def texts(lines: tuple[Line, ...]) -> list[str | None]:
    return [None if line.is_silence else line.text for line in lines]


def test_words_join_with_their_own_spaces() -> None:
    told = transcript()
    told.apply(Commit((word(" Hello", 0, 0.5), word(",", 0.5, 0.5), word(" world", 0.6, 1)), language="en"))
    assert texts(told.lines) == [" Hello, world"]
    assert told.lines[0].language == "en"
    assert (told.lines[0].start, told.lines[0].end) == (0, SECOND)


def test_white_space_alone_is_no_word() -> None:
    told = transcript()
    told.apply(
        Commit((word(" one", 0, 1), word(" ", 1, 1.1), word("", 1.1, 1.1), word(" two", 1.2, 2)), (word("\n", 2, 3),))
    )
    assert [spoken.text for spoken in told.take_fresh()] == [" one", " two"]
    assert told.tentative == ()


def test_a_pause_starts_a_line_and_a_long_one_is_a_line_of_silence() -> None:
    told = transcript()
    told.apply(Commit((word(" one", 0, 1), word(" two", 3.5, 4), word(" three", 10, 11))))
    assert texts(told.lines) == [" one", " two", None, " three"]
    assert (told.lines[2].start, told.lines[2].end) == (4 * SECOND, 10 * SECOND)


def test_a_long_line_ends_with_its_sentence_or_at_twice_the_length() -> None:
    told = transcript()
    told.apply(Commit((word(" a", 0, 9), word(" b.", 9, 11), word(" c", 11, 12))))
    assert texts(told.lines) == [" a b.", " c"]
    endless = transcript()
    endless.apply(Commit(tuple(word(" x", i, i + 1) for i in range(25))))
    assert [len(line.words) for line in endless.lines] == [20, 5]


def test_another_language_starts_a_line() -> None:
    told = transcript()
    told.apply(Commit((word(" yes", 0, 1),), language="en"))
    told.apply(Commit((word("好", 1, 2),), language="zh"))
    assert [line.language for line in told.lines] == ["en", "zh"]


def test_time_runs_forward_even_where_attention_does_not() -> None:
    told = transcript()
    told.apply(Commit((word(" a", 1, 2), word(" b", 1.9, 1.95))))
    first, second = told.lines[0].words
    assert first.end <= second.start <= second.end


def test_fresh_words_are_told_once() -> None:
    told = transcript()
    told.apply(Commit((word(" a", 0, 1),)))
    told.apply(Commit((word(" b", 1, 2),)))
    assert [fresh.text for fresh in told.take_fresh()] == [" a", " b"]
    assert told.take_fresh() == ()


@given(st.lists(st.lists(st.tuples(st.sampled_from([" a", " b.", "字"]), st.floats(0, 8), st.floats(0, 3)))))
def test_committed_lines_never_change(commits: list[list[tuple[str, float, float]]]) -> None:
    told = transcript()
    now = 0.0
    said: list[str] = []
    before: tuple[Line, ...] = ()
    for commit in commits:
        words = []
        for text, gap, length in commit:
            words.append(word(text, now + gap, now + gap + length))
            now += gap + length
            said.append(text)
        told.apply(Commit(tuple(words)))
        assert told.lines[: max(len(before) - 1, 0)] == before[:-1]
        if before:
            assert told.lines[len(before) - 1].text.startswith(before[-1].text)
        before = told.lines
    assert "".join(line.text for line in told.lines) == "".join(said)
