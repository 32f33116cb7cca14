"""The index in its states; what it finds is tested with `retrieval` and `quantized`."""

from dataclasses import replace

import numpy as np
import pytest

from models.errors import NotReady, RuntimeFailure
from models.reference import Reference
from service.core.retrieval import Search
from service.core.similar_index import SimilarIndex
from service.core.status import State, Status


@pytest.fixture
def images() -> Reference:
    embedding = np.random.default_rng(0).standard_normal((600, 8)).astype(np.float16)
    counts = np.zeros(20, dtype=np.int64)
    ids = np.array([str(row) for row in range(600)])
    return Reference(embedding, np.zeros(600, dtype=np.int64), ids, counts[:1], counts)


def test_an_exact_one_is_there_at_once(images: Reference) -> None:
    index = SimilarIndex(images, Search.AUTO)
    assert index.status == Status(State.READY)
    assert (index.search, len(index.ready().images.ids)) == (Search.EXACT, 600)


def test_a_quantized_one_is_there_once_it_is_loaded(images: Reference) -> None:
    index = SimilarIndex(images, Search.QUANTIZED)
    assert index.status == Status(State.LOADING)
    with pytest.raises(NotReady, match="still being made"):
        index.ready()

    index.load()

    assert index.status == Status(State.READY)
    assert (index.search, len(index.ready().images.ids)) == (Search.QUANTIZED, 600)


def test_one_that_cannot_be_made_says_why(images: Reference) -> None:
    index = SimilarIndex(replace(images, embedding=images.embedding[:, 0]), Search.QUANTIZED)

    index.load()

    assert index.status.state is State.FAILED
    assert "not enough values" in str(index.status.reason)
    with pytest.raises(RuntimeFailure, match="not enough values"):
        index.ready()
