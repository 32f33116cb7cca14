"""The pictures of classes: judged by networks put together here, and by a closed form."""

import numpy as np
import pytest
import torch
from torch import nn

from training.backbones import backbone
from training.instrument import Instrumented
from training.randomize import randomize
from training.report.visualisation import PENALTY, visualise

GOLDFISH, TARANTULA = 1, 76


@pytest.fixture(scope="module")
def lenet() -> Instrumented:
    chosen = backbone("lenet5")
    torch.manual_seed(0)
    network = Instrumented(chosen.build(10), chosen, chosen.preprocessing).eval()
    randomize(network, torch.rand(4, 3, 32, 32))
    return network


def test_the_network_takes_the_picture_for_the_class(lite0: nn.Module) -> None:
    chosen = backbone("efficientnet_lite0")
    network = Instrumented(lite0, chosen, chosen.preprocessing)

    found = visualise(network, [GOLDFISH, TARANTULA], (224, 224), seed=0)

    pixels = torch.from_numpy(np.stack([each.image for each in found])).permute(0, 3, 1, 2)
    with torch.no_grad():
        logits = lite0((pixels / 255 - 0.5) / 0.5)
        mean = lite0(torch.zeros(1, 3, 224, 224))[0]
    for row, each in zip(logits, found, strict=True):
        assert row[each.index] > mean[each.index] + 10
        assert row.softmax(0)[each.index] > 0.99
        assert each.probability == pytest.approx(row.softmax(0)[each.index].item(), abs=1e-4)


def test_the_picture_is_where_score_and_penalty_balance() -> None:
    # The score is a colour's mean times a gain, which neither shift nor blur changes:
    # gain / HW = 2 * PENALTY * z, z in units of the preprocessing.
    gain, temperature, side = 0.2, 2.0, 32
    classifier = nn.Linear(3, 3, bias=False)
    classifier.weight.data = gain * torch.eye(3)
    chosen = backbone("linear")
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), classifier)
    network = Instrumented(module, chosen, chosen.preprocessing)

    (found,) = visualise(network, [1], (side, side), temperature=temperature, seed=0)

    z = gain / temperature / (2 * PENALTY * side**2)
    expected = [127.5, 127.5 * (1 + z), 127.5]
    # 1% of the range: so near do the steps come in their number.
    np.testing.assert_allclose(found.image, np.broadcast_to(expected, (side, side, 3)), atol=2.5)


def test_one_seed_makes_one_picture(lenet: Instrumented) -> None:
    first, again, other = (visualise(lenet, [3], (32, 32), seed=seed)[0] for seed in (0, 0, 1))

    np.testing.assert_array_equal(first.image, again.image)
    assert (first.image != other.image).any()


def test_a_class_has_the_same_picture_alone_and_among_many(lenet: Instrumented) -> None:
    found = visualise(lenet, range(10), (32, 32), seed=0)

    assert [each.index for each in found] == list(range(10))
    (alone,) = visualise(lenet, [9], (32, 32), seed=0)
    np.testing.assert_allclose(alone.image, found[9].image, atol=1)
    pixels = torch.from_numpy(np.stack([each.image for each in found])).permute(0, 3, 1, 2)
    with torch.no_grad():
        logits = lenet.module((pixels / 255 - 0.5) / 0.5)
        mean = lenet.module(torch.zeros(1, 3, 32, 32))
    assert (logits.diagonal() > mean[0]).all()


def test_the_network_stays_as_it_is(lenet: Instrumented) -> None:
    before = {name: tensor.clone() for name, tensor in lenet.state_dict().items()}

    visualise(lenet, [3], (32, 32), seed=0)

    torch.testing.assert_close(lenet.state_dict(), before, rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in lenet.parameters())
