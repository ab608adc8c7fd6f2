"""What the proof of a fleet makes of its runs. The runs themselves take minutes, root and HAProxy."""

import numpy as np
import pytest
import soundfile
from wlkd_bench.clips import Clip
from wlkd_bench.fleet_proof import verdict
from wlkd_bench.fleet_proof.people import Heard
from wlkd_bench.fleet_proof.speech import numbered, recorded, scripted
from wlkd_bench.fleet_proof.troubles import troubles
from wlkd_bench.fleet_proof.verdict import Run, edits
from wlkd_bench.text import units

WORDS = [numbered(number) for number in range(8)]
RESUMES = {"first": True, "second": False}


def run(*texts: tuple[str, list[str]], revised: int = 0) -> Run:
    heard = [Heard(name, said, grew=[1.0, 2.0, 5.0], revised=revised) for name, said in texts]
    return Run("seed 0", 0.0, 10.0, heard, (), ({"a": 2, "b": 0}, {"a": 1}))


def test_a_seed_brings_every_trouble_once_and_each_machine_has_one_at_most():
    planned = troubles(["a", "b", "c"], "d", 90.0, 3)
    assert sorted(trouble.kind for trouble in planned) == ["add", "cut", "drain", "kill", "pause", "reload"]
    assert sorted(trouble.machine for trouble in planned if trouble.machine) == ["a", "b", "c", "d"]
    assert planned == troubles(["a", "b", "c"], "d", 90.0, 3) != troubles(["a", "b", "c"], "d", 90.0, 4)
    with pytest.raises(ValueError, match="--seconds"):
        troubles(["a", "b", "c"], "d", 40.0, 3)


def test_scripted_words_are_each_other_s_and_survive_the_normaliser(tmp_path):
    (spoken,), options = scripted(1, 10.0, tmp_path)
    assert len(set(spoken.reference)) == len(spoken.reference) == 20
    assert units("".join(options["backend"]["options"]["script"]), "en") == spoken.reference


def test_edits_are_what_was_lost_added_and_changed():
    found = edits(WORDS, [*WORDS[:2], *WORDS[5:7], "other", "others"])
    assert (found.words, found.lost, found.added, found.changed, found.hole) == (8, 3, 1, 1, 3)
    assert edits(WORDS, WORDS).total == 0


def test_a_lost_word_of_a_client_that_resumes_breaks_the_promise_and_of_another_one_it_is_told():
    whole = " ".join(WORDS)
    undisturbed = run(("first", [whole]), ("second", [whole]))
    good = run(("first", [whole]), ("second", [" ".join(WORDS[:3]), "more"]))
    assert not verdict.broken(undisturbed, [good], RESUMES, exact=True)
    assert verdict.plain(undisturbed, [good], RESUMES).splitlines()[2].split()[-4:] == ["8", "4", "1", "3.0"]
    bad = run(("first", [" ".join(WORDS[1:])]), ("second", [whole]))
    assert verdict.broken(undisturbed, [bad], RESUMES, exact=True)
    assert not verdict.broken(undisturbed, [bad], RESUMES, exact=False)
    assert verdict.broken(undisturbed, [run(("first", [whole]), revised=1)], RESUMES, exact=False)
    assert verdict.resumable(undisturbed, [bad], RESUMES).splitlines()[2].split()[2:7] == ["1", "8", "1", "1", "0"]


def test_machines_are_told_by_the_share_of_their_places():
    assert verdict.evenness(run(), {"a": 4, "b": 4}).splitlines()[2:] == [
        "a                     4           25%             38%         25%",
        "b                     4            0%              0%          0%",
    ]


def test_recordings_follow_each_other_until_the_time_is_over(tmp_path):
    clips = []
    for number, text in enumerate(("Apple.", "Pear, plum.")):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, np.full(16_000, number + 1, np.int16), 16_000)
        clips.append(Clip("set", str(number), path, 1.0, "en", text))
    first, second = recorded(clips, 2, 4.0, tmp_path)
    assert first.reference == ["apple", "pear", "plum", "apple"]
    assert second.reference == ["pear", "plum", "apple", "pear", "plum"]
    samples = np.fromfile(first.audio, np.int16)
    assert len(samples) == 3 * 24_000 and set(samples[:16_000]) == {1} and not samples[16_000:24_000].any()


def test_real_speech_is_told_against_its_reference_and_only_where_it_was_heard_whole():
    heard = run(("first", [" ".join(WORDS[1:])]), ("second", [WORDS[0], WORDS[1]]))
    told = verdict.accuracy([heard], {"first": WORDS, "second": WORDS}).splitlines()[-1]
    assert told.split() == ["seed", "0", "1", "12.50", "(12.50-12.50)"]
