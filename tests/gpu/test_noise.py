"""Noise that a CUDA device draws: it stays there, is normal, and one seed makes it again."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from models.golden import relative_l2
from models.manifest import Graph
from models.repository import Repository
from service.runtime.loading import open_graph
from service.runtime.noise import on_device
from service.runtime.providers import Provider, choose, missing_for
from service.settings import ZOO

MISSING = missing_for(Provider.CUDA)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(MISSING is not None, reason=f"no CUDA: {MISSING}"),
]

SIGMA = 0.25
IMAGE = np.full((3, 224, 224), 0.5, dtype=np.float32)


def drawn(seed: int) -> npt.NDArray[np.float32]:
    """Two batches of two images, one after the other."""
    draw = on_device(choose(Provider.CUDA), IMAGE, SIGMA, seed)
    return np.concatenate([np.asarray(draw(2)), np.asarray(draw(2))])


def test_the_noise_is_normal_and_independent_of_what_was_drawn_before() -> None:
    values = (drawn(3) - IMAGE).reshape(4, -1) / SIGMA
    count = values.size
    correlations = np.corrcoef(values)[np.triu_indices(4, 1)]
    low, high = stats.chi2.ppf([0.0005, 0.9995], count) / count

    assert stats.kstest(values.ravel()[::7], "norm").pvalue > 0.001
    assert low < np.square(values).mean() < high
    assert np.abs(correlations).max() < 5 / np.sqrt(values.shape[1])


def test_one_seed_makes_the_same_noise_again() -> None:
    first = drawn(5)

    np.testing.assert_array_equal(drawn(5), first)
    assert not np.isclose(drawn(6), first).mean() > 0.01


def test_it_stays_on_the_device_and_the_graphs_take_it_there() -> None:
    device = choose(Provider.CUDA)
    session = open_graph(Repository(ZOO).open("efficientnet_lite0"), Graph.FLOAT, device)
    held = on_device(device, IMAGE, SIGMA, 5)(4)

    assert held.value.device_name() == "cuda"
    found = session.run({"image": held})["logits"]
    assert relative_l2(found, session.run({"image": np.asarray(held)})["logits"]) < 1e-6
