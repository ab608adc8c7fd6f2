from hypothesis import given
from hypothesis import strategies as st
from wlkd_bench.align import first_seen, matches

words = st.lists(st.sampled_from("abc"), max_size=8)


def split(text: str) -> list[str]:
    return text.split()


def test_a_growing_text_shows_each_word_once():
    states = [split("the"), split("the cat"), split("the cat sat")]
    assert first_seen(states, split("the cat sat")) == [0, 1, 2]


def test_a_word_is_not_found_in_an_earlier_one_of_the_same_spelling():
    assert first_seen([split("the cat"), split("the cat on the")], split("the cat on the mat")) == [0, 0, 1, 1, None]


def test_a_wrong_word_hides_only_itself():
    states = [split("a cat the"), split("the cat sat")]
    assert first_seen(states, split("the cat sat on the mat")) == [1, 0, 1, None, None, None]


def test_a_word_too_many_in_a_state_shifts_nothing():
    assert matches(split("so the cat"), split("the cat sat")) == [0, 1]


def test_a_missing_word_in_a_state_shifts_nothing():
    assert matches(split("the sat on"), split("the cat sat on the mat")) == [0, 2, 3]


@given(words, words)
def test_matches_are_places_of_equal_words_in_order(state, final):
    places = matches(state, final)
    assert places == sorted(set(places))
    rest = iter(state)
    assert all(final[place] in rest for place in places), "a subsequence of the state"


@given(words, words)
def test_a_beginning_is_contained_whole(state, more):
    assert matches(state, state + more) == list(range(len(state)))


@given(st.lists(words, max_size=5), words)
def test_skipping_what_is_known_changes_nothing(states, final):
    found = [set(matches(state, final)) for state in states]
    expected = [next((i for i, places in enumerate(found) if place in places), None) for place in range(len(final))]
    assert first_seen(states, final) == expected
