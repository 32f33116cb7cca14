"""Oracle: scikit-learn's exhaustive search."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from models.reference import Reference
from service.core import retrieval
from service.core.retrieval import Index, Search


@pytest.fixture
def index() -> Index:
    pixels, labels = load_digits(return_X_y=True)
    ids = np.array([f"{row}.png" for row in range(1000)])
    none = np.zeros(20, dtype=np.int64)
    return retrieval.index(
        Reference(pixels[:1000].astype(np.float16), labels[:1000], ids, none[:10], none),
        Search.EXACT,
    )


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_neighbours_are_those_of_scikit_learn_nearest_first(index: Index, count: int) -> None:
    pixels, labels = load_digits(return_X_y=True)
    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(normalize(pixels[:1000]))
    for image in pixels[1000:1010]:
        distances, rows = search.kneighbors(normalize(image[np.newaxis]))
        found = retrieval.nearest(index, image, count)
        np.testing.assert_allclose([each.distance for each in found], distances[0], atol=1e-6)
        assert {each.id for each in found} == {f"{row}.png" for row in rows[0]}
        for each in found:
            assert each.index == labels[int(each.id.removesuffix(".png"))]


def test_an_image_that_was_learned_from_is_its_own_nearest(index: Index) -> None:
    pixels, _ = load_digits(return_X_y=True)
    (found,) = retrieval.nearest(index, 3 * pixels[5], 1)
    assert found.id == "5.png"
    assert found.distance == pytest.approx(0, abs=1e-6)


def test_no_more_are_found_than_there_are(index: Index) -> None:
    assert len(retrieval.nearest(index, np.ones(64), 5000)) == 1000
