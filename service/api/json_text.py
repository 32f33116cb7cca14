"""Answers as JSON, some parts of which are written already."""

import secrets
from typing import Any

from pydantic_core import to_json


class JsonText:
    """A part of an answer that is JSON already, such as the thousands of numbers of a map."""

    def __init__(self, text: bytes | bytearray) -> None:
        self.text = text


def encode(content: Any) -> bytes:
    """Write an answer of which some parts are `JsonText`, and stand in it as they are.

    Raises:
        ValueError: another part is no JSON.
    """
    texts: list[bytes | bytearray] = []
    place = ""

    def put_aside(part: Any) -> str:
        if not isinstance(part, JsonText):
            raise TypeError(f"{type(part).__name__} is no JSON")
        nonlocal place
        # No string of a client can be taken for what nobody can guess.
        place = place or secrets.token_hex()
        texts.append(part.text)
        return place

    written = to_json(content, fallback=put_aside)
    if not texts:
        return written
    first, *others = written.split(f'"{place}"'.encode())
    pairs = zip(texts, others, strict=True)
    return b"".join([first, *(piece for pair in pairs for piece in pair)])
