import numpy as np
import numpy.typing as npt
import pytest
import scipy.special
import scipy.stats
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from service.core import ood

Floats = npt.NDArray[np.float64]


@pytest.fixture
def digits() -> Floats:
    images, _ = load_digits(return_X_y=True)
    return np.asarray(images, dtype=np.float64)


@pytest.mark.parametrize("size", [1.0, 1e4])
def test_energy_is_minus_the_log_of_the_summed_exponentials(size: float) -> None:
    logits = (np.random.default_rng(0).standard_normal((50, 9)) * size).astype(np.float32)
    expected = -scipy.special.logsumexp(logits.astype(np.float64), axis=1)
    np.testing.assert_allclose([ood.energy(row) for row in logits], expected, rtol=1e-12)


def test_an_unsure_image_has_a_higher_energy() -> None:
    assert ood.energy(np.array([0.1, 0.0, 0.0])) > ood.energy(np.array([9.0, 0.0, 0.0]))


def distances(images: Floats, reference: Floats, k: int) -> Floats:
    """Those of each image."""
    compared = ood.compared(reference)
    return np.array([ood.nearest_neighbour(image, compared, k) for image in images])


def searched(images: Floats, reference: Floats, k: int) -> Floats:
    """The distances that scikit-learn finds."""
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(normalize(reference))
    return np.asarray(search.kneighbors(normalize(images))[0][:, -1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_embedding_of_zeros_is_as_far_from_all(digits: Floats, dtype: type) -> None:
    compared = ood.compared(digits[:100].astype(dtype))
    assert ood.nearest_neighbour(np.zeros(64, dtype), compared, 1) == pytest.approx(1)


@pytest.mark.parametrize("k", [1, 10, 300])
def test_neighbours_are_as_far_as_scikit_learn_finds_them(digits: Floats, k: int) -> None:
    digits = digits[:, 16:48]  # as long as there are axes
    images, reference = digits[:200], digits[200:700]
    found = distances(images, reference, k)
    np.testing.assert_allclose(found, searched(images, reference, k), atol=1e-6)


def test_long_embeddings_lose_next_to_nothing_to_the_axes() -> None:
    generator = np.random.default_rng(0)
    # 20 classes that vary along more directions than there are axes, beside noise along all.
    varying = generator.standard_normal((200, 1280)) * np.linspace(1, 0, 200)[:, np.newaxis]
    classes = 2 * generator.standard_normal((20, 200))
    drawn = classes[generator.integers(20, size=1012)] + generator.standard_normal((1012, 200))
    embedding = np.maximum(drawn @ varying + 3 * generator.standard_normal((1012, 1280)), 0)
    images, reference = embedding[:500], embedding[500:]
    found = distances(images, reference, 1)
    exact = searched(images, reference, 1)
    assert (found >= exact - 1e-5).all()
    assert np.mean(found < exact + 1e-5) > 0.75
    assert (found / exact).max() < 1.1


def test_the_length_of_an_embedding_does_not_matter(digits: Floats) -> None:
    found = distances(digits[:9] * 1e-30, digits[200:], 3)
    np.testing.assert_allclose(found, distances(digits[:9], digits[200:], 3), atol=1e-6)


def test_a_copy_is_at_no_distance(digits: Floats) -> None:
    found = distances(digits[:100] * 3, digits[:500], 1)
    assert found.max() < 1e-3  # the root of what float32 rounds


def test_an_embedding_of_zero_has_a_distance_all_the_same() -> None:
    found = distances(np.zeros((1, 2)), np.array([[3.0, 4.0]]), 1)
    np.testing.assert_allclose(found, [1], rtol=1e-6)


def test_more_neighbours_than_there_are_cannot_be_asked_for(digits: Floats) -> None:
    with pytest.raises(IndexError):
        ood.nearest_neighbour(digits[0], ood.compared(digits[:5]), 6)


def test_percentiles_are_the_share_of_lower_scores() -> None:
    generator = np.random.default_rng(0)
    known, new = generator.gamma(2, size=5000), generator.gamma(2, size=100)
    quantiles = np.quantile(known, np.linspace(0, 1, 101)).tolist()
    found = [ood.percentile(score, quantiles) for score in new]
    expected = scipy.stats.percentileofscore(known, new)
    np.testing.assert_allclose(found, expected, atol=0.5)


def test_percentiles_lie_on_lines_between_the_quantiles() -> None:
    quantiles = np.sort(np.random.default_rng(0).standard_normal(101))
    scores = np.linspace(-4, 4, 500)
    found = [ood.percentile(score, quantiles.tolist()) for score in scores]
    np.testing.assert_allclose(found, np.interp(scores, quantiles, np.arange(101)), atol=1e-9)


def test_percentiles_end_at_0_and_100() -> None:
    quantiles = np.arange(101.0).tolist()
    found = [ood.percentile(score, quantiles) for score in (-9.0, 0.0, 50.5, 100.0, 999.0)]
    assert found == [0, 0, 50.5, 100, 100]


def test_a_score_equal_to_several_quantiles_takes_the_highest() -> None:
    assert ood.percentile(40.0, np.maximum(np.arange(101.0), 40).tolist()) == 40


@pytest.mark.parametrize(("images", "compared"), [(1, 1), (512, 512), (100_000, 512)])
def test_so_many_training_images_are_compared_with(images: int, compared: int) -> None:
    rows = ood.representatives(images)
    assert len(set(rows.tolist())) == compared
    assert (rows[0], rows[-1]) == (0, images - 1)
    assert np.ptp(np.diff(rows)) <= 1 if compared > 1 else True
