"""Reads what a page sends, up to a size."""

import json

from starlette.requests import Request

from vidseq.errors import UserError

#: The most bytes of what a page asks.
_MAX_ASKED = 10_000


async def read_bytes(request: Request, most: int, name: str) -> bytes:
    """What a page sent, at most so many bytes.

    Args:
        request: which.
        most: bytes.
        name: what it is, as the subject of a sentence.

    Raises:
        UserError: it is more.
    """
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > most:
            raise UserError(f"{name} expects at most {most} bytes, got more.")
    return content


async def read_json(request: Request) -> object:
    """What a page sent as JSON.

    Raises:
        UserError: it is none, or too much.
    """
    content = await read_bytes(request, _MAX_ASKED, "Asking")
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise UserError("Asking expects JSON, got something else.") from None
