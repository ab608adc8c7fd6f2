"""What a client asks for: what is taken, what is cut, and what is refused, to it or at the start."""

from typing import Any

import pytest

from tests.whole_core import core, opened
from wlkd.contract.errors import ProvisionError, SessionError


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"language": "xx"}, "language 'xx' is not known"),
        ({"task": "sing"}, "task=sing: unknown; known: transcribe, translate"),
        ({"languages": "en," * 6000}, "languages is a list of more than 16384 characters"),
        ({"hotwords": "a," * 9000}, "hotwords is a list of more than 16384 characters"),
    ],
)
async def test_bad_wishes_are_refused(query: dict[str, str], message: str) -> None:
    async with core() as admission:
        with pytest.raises(SessionError, match=message) as caught:
            async with opened(admission, query=query):
                pass
        assert caught.value.code == "bad_request"


async def test_long_prompts_are_cut_where_that_does_no_harm_and_refused_where_it_would() -> None:
    async with core() as admission:
        async with opened(admission, query={"initial_prompt": 5000 * "a" + "end"}) as session:
            prompt = session.info.params.initial_prompt
            assert len(prompt) == 4096 and prompt.endswith("aend")
        for name in ("static_prompt", "hotwords"):
            with pytest.raises(SessionError, match=f"{name} has 5000 characters; at most 4096"):
                async with opened(admission, query={name: 5000 * "a"}):
                    pass


async def test_prompts_that_every_session_would_be_refused_for_stop_the_start() -> None:
    with pytest.raises(ProvisionError, match="recognition: hotwords has 5000 characters"):
        async with core({"recognition": {"hotwords": [5000 * "a"]}}):
            pass


@pytest.mark.parametrize("recognition", [{"language": "ja"}, {"languages": ["en", "ja"]}])
async def test_a_language_that_the_model_does_not_know_stops_the_start(recognition: dict[str, Any]) -> None:
    with pytest.raises(ProvisionError, match="does not know ja"):
        async with core({"recognition": recognition}):
            pass
