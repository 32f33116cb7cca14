"""Oracle: scikit-learn's exhaustive search."""

import sys

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from models.errors import NotInstalled
from models.reference import Reference
from service.core import quantized, retrieval
from service.core.retrieval import Index, Search

CLUSTERS, SIZE, QUESTIONS = 200, 64, 100

Vectors = npt.NDArray[np.float32]


def clustered(images: int) -> Vectors:
    """Vectors in clusters that are longer in some directions than in others."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(CLUSTERS, SIZE))
    spread = generator.uniform(0.1, 0.5, size=(CLUSTERS, SIZE))
    members = generator.integers(CLUSTERS, size=images)
    noise = generator.normal(size=(images, SIZE))
    return (centres[members] + spread[members] * noise).astype(np.float32)


def reference(embedding: Vectors) -> Reference:
    images, none = len(embedding), np.zeros(20, dtype=np.int64)
    ids = np.array([f"{row}.png" for row in range(images)])
    labels = np.zeros(images, dtype=np.int64)
    return Reference(embedding.astype(np.float16), labels, ids, none[:1], none)


def recall(index: Index, questions: Vectors, count: int) -> float:
    """The share of the true nearest images that are found."""
    exact = NearestNeighbors(n_neighbors=count, algorithm="brute")
    exact.fit(normalize(index.images.embedding.astype(np.float32)))
    _, rows = exact.kneighbors(normalize(questions))
    shares = [
        len({each.row for each in retrieval.nearest(index, question, count)} & set(true)) / count
        for question, true in zip(questions, rows.tolist(), strict=True)
    ]
    return float(np.mean(shares))


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return clustered(120_000 + QUESTIONS)


@pytest.fixture(scope="module")
def many(vectors: Vectors) -> Index:
    """120,000 images, more than are all looked at."""
    return retrieval.index(reference(vectors[QUESTIONS:]), Search.QUANTIZED)


@pytest.mark.parametrize("count", [1, 10, 100])
def test_nearly_all_of_the_nearest_are_found_among_very_many(
    many: Index, vectors: Vectors, count: int
) -> None:
    assert recall(many, vectors[:QUESTIONS], count) >= 0.95


def test_only_a_short_list_is_compared(many: Index, vectors: Vectors) -> None:
    (image,) = normalize(vectors[:1])
    assert len(many.candidates(image, 1)) == quantized.SHORT
    assert len(many.candidates(image, 100)) == 2000


def test_distances_are_exact_and_nearest_first(many: Index, vectors: Vectors) -> None:
    found = retrieval.nearest(many, vectors[0], 10)

    rows = [each.row for each in found]
    apart = normalize(many.images.embedding[rows].astype(np.float64)) - normalize(vectors[:1])
    distances = [each.distance for each in found]
    np.testing.assert_allclose(distances, np.linalg.norm(apart, axis=1), atol=1e-6)
    assert distances == sorted(distances)
    assert [each.id for each in found] == [f"{row}.png" for row in rows]


def test_as_many_are_found_as_are_wanted_up_to_all(vectors: Vectors) -> None:
    index = retrieval.index(reference(vectors[:3000]), Search.QUANTIZED)

    found = retrieval.nearest(index, vectors[0], 5000)

    assert {each.row for each in found} == set(range(3000))


@pytest.mark.parametrize("size", [1, 2, 3, 64])
def test_embeddings_of_few_numbers_have_codes_too(vectors: Vectors, size: int) -> None:
    index = retrieval.index(reference(vectors[:2000, :size]), Search.QUANTIZED)

    (found,) = retrieval.nearest(index, index.images.embedding[7], 1)

    assert found.distance == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("images", "search", "found"),
    [
        (100_000, Search.AUTO, Search.EXACT),
        (100_001, Search.AUTO, Search.QUANTIZED),
        (100_001, Search.EXACT, Search.EXACT),
        (501, Search.QUANTIZED, Search.QUANTIZED),
        (500, Search.QUANTIZED, Search.EXACT),
    ],
)
def test_the_search_is_what_was_asked_for_or_follows_from_how_many_there_are(
    images: int, search: Search, found: Search
) -> None:
    assert retrieval.settle(search, images) is found


def test_without_faiss_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)

    with pytest.raises(NotInstalled, match=r"seewhy\[retrieval\].*SEEWHY_SIMILAR_SEARCH=exact"):
        retrieval.settle(Search.QUANTIZED, 1000)


def test_without_faiss_all_images_are_looked_at_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)

    assert retrieval.settle(Search.AUTO, 100_001) is Search.EXACT
    assert "100001 training images are looked at" in caplog.text
    assert "seewhy[retrieval]" in caplog.text
