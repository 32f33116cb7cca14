from collections.abc import Iterator

import pytest

from models.errors import SeeWhyError, UnknownClass
from service.api.problems import STATUS, describe


def tree(root: type[SeeWhyError]) -> Iterator[type[SeeWhyError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def test_every_error_of_ours_has_a_status() -> None:
    ours = {kind for kind in tree(SeeWhyError) if kind.__module__ == "models.errors"}
    assert set(STATUS) == ours


@pytest.mark.parametrize("status", set(STATUS.values()))
def test_every_status_is_an_error(status: int) -> None:
    assert 400 <= status < 600


def test_a_problem_is_named_after_its_class() -> None:
    assert describe(UnknownClass("no such class"), "id") == {
        "type": "urn:seewhy:unknown-class",
        "title": "Unknown class",
        "status": 422,
        "detail": "no such class",
        "request_id": "id",
    }
