"""The tests' backend keeps the contract that real ones keep."""

from wlkd_scripted.backend import Scripted, ScriptedOptions

from wlkd.testing import check_backend, speech_like


def test_it_keeps_the_contract_of_backends() -> None:
    backend = Scripted(ScriptedOptions(script=(" to", " be"), word_seconds=1))
    words = check_backend(backend, [speech_like(2.5), speech_like(1)])
    assert [word.text for word in words] == [" to", " be", " to", " be"]
