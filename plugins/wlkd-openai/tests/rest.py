"""Clients of the REST API: the `openai` package, and forms as no package sends them."""

from __future__ import annotations

import aiohttp
import openai


def client(daemon, token="unused") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{daemon.http}/v1", api_key=token, max_retries=0, timeout=30)


async def post(daemon, fields, *, path="/v1/audio/transcriptions", headers=None):
    """`fields` in their order; a value of bytes is a file. Returns status and JSON."""
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields:
        if isinstance(value, bytes):
            form.add_field(name, value, filename="speech.wav", content_type="application/octet-stream")
        else:
            form.add_field(name, value)
    async with aiohttp.ClientSession() as http, http.post(daemon.http + path, data=form, headers=headers) as answer:
        return answer.status, await answer.json()
