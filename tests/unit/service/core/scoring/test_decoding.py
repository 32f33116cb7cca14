"""Reading and decoding one input."""

import hashlib
from collections.abc import Callable

import numpy as np
import pytest

from models.bundle import Bundle
from models.photo import Limits
from models.preprocess import preprocess
from service.core.scoring.decoding import Readable, decode
from service.core.scoring.items import Item

READABLE = Readable(10_000, Limits(2_000))


def test_an_image_is_decoded_as_the_service_does(
    tiny_bundle: Bundle, photo: Callable[[int], bytes]
) -> None:
    data, how = photo(1), tiny_bundle.manifest.preprocessing

    found = decode(Item("a", None, data), how, READABLE)

    assert found.error is None
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert found.crop is not None
    np.testing.assert_array_equal(found.crop.pixels, preprocess(data, how).pixels)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "EmptyImage"),
        (b"text", "UnsupportedFormat"),
        (b"\x89PNG\r\n\x1a\n", "CorruptImage"),
        (b"x" * 10_001, "ImageTooLarge"),
    ],
)
def test_what_is_wrong_is_told(tiny_bundle: Bundle, data: bytes, kind: str) -> None:
    found = decode(Item("a", None, data), tiny_bundle.manifest.preprocessing, READABLE)

    assert found.crop is None
    assert found.error is not None
    assert found.error.startswith(f"{kind}: ")
