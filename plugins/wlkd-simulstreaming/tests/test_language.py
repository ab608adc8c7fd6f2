"""Deciding the language."""

from wlkd_simulstreaming.language import Evidence


def test_enough_heard_and_sure_enough():
    evidence = Evidence().plus({"en": 0.9, "de": 0.1}, 2.0)
    assert evidence.best == "en"
    assert evidence.settles(2.0, 0.5, 6.0)
    assert not evidence.settles(3.0, 0.5, 6.0)


def test_doubt_listens_on_but_not_for_ever():
    doubtful = Evidence().plus({"en": 0.4, "de": 0.35, "fr": 0.25}, 3.0)
    assert not doubtful.settles(2.0, 0.5, 6.0)
    assert doubtful.plus({"en": 0.1, "de": 0.8, "fr": 0.1}, 3.0).settles(2.0, 0.5, 6.0)


def test_longer_speech_weighs_more():
    assert Evidence().plus({"en": 0.8, "de": 0.2}, 1.0).plus({"en": 0.3, "de": 0.7}, 4.0).best == "de"
