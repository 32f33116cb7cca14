"""Another classifier on a backbone."""

import numpy as np
import pytest
import torch

from training import features, heads
from training.backbones import backbone
from training.instrument import Instrumented
from training.probe import LinearHead

CLASSES = 3


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "squeezenet1_1", "lenet5", "linear"])
def test_a_folded_head_is_what_the_network_computes(name: str) -> None:
    chosen = backbone(name)
    torch.manual_seed(0)
    module = chosen.build(1000)
    heads.attach(module, CLASSES)
    network = Instrumented(module, chosen, chosen.preprocessing).eval()
    height, width = chosen.preprocessing.crop
    generator = np.random.default_rng(0)
    crops = generator.integers(0, 256, (3, height, width, 3), dtype=np.uint8)
    embedding = features.embeddings(network, crops)
    head = LinearHead(
        generator.normal(size=(CLASSES, embedding.shape[1])), generator.normal(size=CLASSES)
    )

    heads.fold(module, head)

    np.testing.assert_allclose(
        features.logits(network, crops), head.logits(embedding), rtol=1e-3, atol=1e-3
    )


def test_batches_leave_no_trace_in_the_features() -> None:
    chosen = backbone("lenet5")
    network = Instrumented(chosen.build(CLASSES), chosen, chosen.preprocessing).eval()
    shape = (features.BATCH + 5, *chosen.preprocessing.crop, 3)
    crops = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    together = features.embeddings(network, crops)

    one_by_one = np.concatenate([features.embeddings(network, crop[np.newaxis]) for crop in crops])
    np.testing.assert_allclose(together, one_by_one, rtol=1e-4, atol=1e-5)
