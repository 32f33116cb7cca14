"""Attacks on the default bundle beside foolbox's on the PyTorch original, on ImageNet photos."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import foolbox
import numpy as np
import numpy.typing as npt
import pytest
import torch

from models.golden import to_float
from models.preprocess import preprocess
from models.repository import Repository
from service.core.network import Floats, Network
from service.core.robustness import pgd
from service.core.robustness.criterion import Criterion
from service.core.robustness.norms import Norm
from service.core.robustness.pgd import Pgd, fgsm
from service.settings import ZOO
from training import weights
from training.backbones import backbone
from training.network import network_of

REAL = Path(__file__).parents[3] / "shared" / "data" / "imagenet_val500"
CLASSES = {
    "n01440764": 0, "n02102040": 217, "n02979186": 482, "n03000684": 491, "n03028079": 497,
    "n03394916": 566, "n03417042": 569, "n03425413": 571, "n03445777": 574, "n03888257": 701,
}  # fmt: skip
RIGHT = 200
BATCH = 8
STEPS = 5

ATTACKS = {
    "fgsm": (foolbox.attacks.LinfFastGradientAttack(random_start=False), fgsm(Norm.LINF)),
    "pgd": (
        foolbox.attacks.LinfPGD(rel_stepsize=pgd.STEP / STEPS, steps=STEPS, random_start=False),
        Pgd(steps=STEPS, random=False),
    ),
}
EPS = {"fgsm": (0.1, 0.2, 0.35), "pgd": (0.1, 0.15, 0.2)}
"""In levels: where foolbox leaves 20 to 80% standing, so that agreement says something."""


@dataclass(frozen=True, eq=False)
class Photos:
    """Some that the default model gets right: [N, 3, 224, 224] and [N]."""

    network: Network
    images: Floats
    labels: npt.NDArray[np.int64]


@pytest.fixture(scope="module")
def photos() -> Photos:
    if not REAL.exists():
        pytest.skip(f"{REAL.name} is not in {REAL.parent}")
    bundle = Repository(ZOO).open("efficientnet_lite0")
    network, steps = network_of(bundle), bundle.manifest.preprocessing
    files = sorted(REAL.glob("*/*"), key=lambda file: file.name)[:320]
    images = to_float(np.stack([preprocess(file.read_bytes(), steps).pixels for file in files]))
    labels = np.array([CLASSES[file.parent.name] for file in files])
    right = np.flatnonzero(network.logits(images).argmax(axis=1) == labels)[:RIGHT]
    return Photos(network, images[right], labels[right])


@pytest.fixture(scope="module")
def original() -> Any:
    chosen = backbone("efficientnet_lite0")
    module = chosen.build(weights.IMAGENET_CLASSES)
    weights.apply(module, weights.load(chosen, "package"))
    mean, std = chosen.preprocessing.mean, chosen.preprocessing.std
    normalisation = {"mean": list(mean), "std": list(std), "axis": -3}
    return foolbox.PyTorchModel(module.eval(), bounds=(0, 1), preprocessing=normalisation)


SMOKE = pytest.param("fgsm", 0.2, marks=pytest.mark.smoke)
OTHERS = [(name, eps) for name in EPS for eps in EPS[name] if (name, eps) != ("fgsm", 0.2)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "levels"), [SMOKE, *OTHERS])
def test_the_same_photos_are_fooled_as_by_foolbox(
    photos: Photos, original: Any, name: str, levels: float
) -> None:
    attack, how = ATTACKS[name]
    eps = levels / 255
    theirs = []
    for first in range(0, RIGHT, BATCH):
        some = slice(first, first + BATCH)
        given = torch.from_numpy(photos.images[some]), torch.from_numpy(photos.labels[some])
        theirs.append(attack(original, *given, epsilons=eps)[2].numpy())
    fooled = np.concatenate(theirs)
    radii = np.full(RIGHT, eps, dtype=np.float32)

    found = pgd.attack(photos.network, photos.images, Criterion(photos.labels), radii, how)

    assert len(photos.images) == RIGHT
    assert 0.2 <= 1 - fooled.mean() <= 0.8
    assert (found.fooled != fooled).sum() <= 0.01 * RIGHT
    # Counted: of shares, one photo in 200 is more than 0.005 once they are rounded.
    assert abs(found.fooled.sum() - fooled.sum()) <= 0.005 * RIGHT
    assert np.abs(found.images - photos.images).max() <= eps + 1e-6
    assert found.images.min() >= 0
    assert found.images.max() <= 1
