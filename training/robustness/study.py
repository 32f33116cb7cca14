"""A model's robustness, measured step by step; what was measured once is not measured again."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle
from models.durable import replacing
from models.errors import DataError
from models.golden import to_float
from models.manifest import Graph
from service.core.network import Network
from service.core.robustness import minimal, smoothing
from service.core.robustness.corruptions import SEVERITIES
from service.core.robustness.criterion import Criterion
from service.core.robustness.evaluation import attack_of, standing
from service.core.robustness.norms import Norm
from service.runtime.loading import open_graph
from service.runtime.providers import Provider, choose
from training.export import read_labels
from training.network import network_of
from training.robustness.detection import detection
from training.robustness.measurement import measure

EPS = ("0.5/255", "1/255", "2/255", "4/255", "8/255", "64/255")
"""Of every attack, in Linf; at the last one a model that still stands hides its gradients."""

MANY_STEPS = "pgd@linf:1/255,steps=100"
"""Beside the same attack with 20 steps."""

RADII = (0, 0.5, 1, 1.5, 2)
"""In L2 and in sigmas, for certified accuracy; 1000 samples certify no more than 2.46."""

ATTACKS = {
    "fgsm": "fgsm@linf:{}",
    "pgd": "pgd@linf:{}",
    "apgd": "apgd@linf:{},steps=50",
    "square": "square:{},queries=200",
}
"""What is tried at each eps, as `notation` writes it."""

TRANSFER = "transfer {}"

_SIGMA = 0.25
_CERTIFIED = 16
_SAMPLES = 1000

Result = dict[str, Any]
Step = tuple[str, Callable[[], Any]]


@dataclass(frozen=True, eq=False)
class Study:
    """What is studied.

    Attributes:
        bundle: with all its graphs.
        crops: uint8 [N, H, W, 3], as the bundle's preprocessing makes them.
        labels: [N], indices of the true classes.
        seed: of all random choices.
        source: a bundle with the same classes, from which attacks are to transfer.
    """

    bundle: Bundle
    crops: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    seed: int
    source: Bundle | None = None

    @property
    def sigma(self) -> float:
        """Of the noise in certificates: what the network learned under, if it did."""
        return self.bundle.manifest.provenance.noise or _SIGMA

    @property
    def imagenet(self) -> bool:
        """Whether the classes are ImageNet's, for which AlexNet's errors are published."""
        return self.bundle.manifest.labels == read_labels(None, None)

    @property
    def subject(self) -> Result:
        """What results belong to, as JSON: results of anything else are not gone on with."""
        return {
            "bundle": str(self.bundle),
            "sha256": dict(sorted(self.bundle.manifest.sha256.items())),
            "images": len(self.labels),
            "fingerprint": _fingerprint(self.crops, self.labels),
            "seed": self.seed,
            "source": None if self.source is None else dict(self.source.manifest.sha256),
        }

    def steps(self) -> list[Step]:
        """Each measurement's name, and what makes its result, as JSON.

        Raises:
            DataError: the source's classes or its image size are others.
        """
        network = network_of(self.bundle)
        attacks = [attack.format(eps) for eps in EPS for attack in ATTACKS.values()] + [MANY_STEPS]
        steps: list[Step] = [("mishaps", self._mishaps)]
        steps += [(attack, partial(self._standing, attack, network)) for attack in attacks]
        steps += [(f"minimal {norm}", partial(self._minimal, norm, network)) for norm in Norm]
        steps += [("smoothing", partial(self._smoothing, network))]
        steps += [("squeezing", partial(self._squeezing, network))]
        if self.source is not None:
            _hold_alike(self.bundle, self.source)
            source = network_of(self.source)
            steps += [
                (TRANSFER.format(eps), partial(self._transfer, eps, network, source)) for eps in EPS
            ]
        return steps

    def _mishaps(self) -> dict[str, float]:
        model = open_graph(self.bundle, Graph.MODEL, choose(Provider.CPU))
        return measure(
            model, self.crops, self.labels, seed=self.seed, severities=SEVERITIES
        ).metrics

    def _standing(self, attack: str, network: Network) -> list[bool]:
        found = standing(attack_of(attack), network, self.crops, self.labels, seed=self.seed)
        return [bool(each) for each in found]

    def _minimal(self, norm: Norm, network: Network) -> list[float | None]:
        """Each image's distance; null where none was found."""
        found = minimal.minimal(network, to_float(self.crops), self.labels, norm, bisections=6)
        return [float(each) if np.isfinite(each) else None for each in found.distance]

    def _smoothing(self, network: Network) -> dict[str, float]:
        """Certified accuracy by radius, on the first few images."""
        images = to_float(self.crops[:_CERTIFIED])
        sigma, radii = self.sigma, []
        for image, label in zip(images, self.labels, strict=False):
            found = smoothing.certify(network, image, sigma=sigma, n=_SAMPLES, seed=self.seed)
            radii.append(found.radius if found.answer == label else -1.0)
        return {
            f"{share * sigma:g}": float(np.mean(np.array(radii) >= share * sigma))
            for share in RADII
        }

    def _squeezing(self, network: Network) -> dict[str, Any] | None:
        """How well squeezing finds attacked images; null where there are too few."""
        found = detection(network, self.crops, self.labels, seed=self.seed)
        return None if found is None else found.model_dump()

    def _transfer(self, eps: str, network: Network, source: Network) -> list[bool]:
        """Which images stand under another model's adversarial images."""
        images = to_float(self.crops)
        attack = attack_of(f"pgd@linf:{eps}")
        moved = attack.run(source, images, Criterion(self.labels), seed=self.seed, early=False)
        both = np.concatenate([images, moved.images])
        right = network.logits(both).argmax(axis=1) == np.tile(self.labels, 2)
        return [bool(each) for each in right.reshape(2, -1).all(axis=0)]


def carry_out(study: Study, file: Path) -> Iterator[tuple[int, int, str, Result]]:
    """Do what is not done yet; the file holds the results after every step.

    Yields:
        steps done, steps in all, the next one's name (empty at the end), and all results so far.

    Raises:
        DataError: the file holds results of something else, or the source is another kind of model.
        RuntimeFailure: the runtime failed.
        Unsupported: the bundle has not got all graphs.
    """
    results = _earlier(study, file)
    steps = study.steps()
    for number, (name, measure_it) in enumerate(steps):
        yield number, len(steps), name, results
        if name not in results:
            results[name] = measure_it()
            _write(file, {"subject": study.subject, "results": results})
    yield len(steps), len(steps), "", results


def distances(found: Sequence[float | None]) -> npt.NDArray[np.float64]:
    """A margin's distances: inf where there was none."""
    return np.array([np.inf if each is None else each for each in found])


def _fingerprint(crops: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> str:
    """What images, in which order, and what is said of them."""
    return sha256(crops.tobytes() + labels.tobytes()).hexdigest()


def _hold_alike(bundle: Bundle, source: Bundle) -> None:
    """Refuse a source whose adversarial images the bundle could not be shown."""
    ours, theirs = bundle.manifest, source.manifest
    if ours.labels != theirs.labels:
        raise DataError(f"attacks on {source} do not transfer to {bundle}: its classes are others")
    if ours.preprocessing.crop != theirs.preprocessing.crop:
        raise DataError(
            f"attacks on {source} do not transfer to {bundle}: it sees images of another size, "
            f"{theirs.preprocessing.crop} and not {ours.preprocessing.crop}"
        )


def _earlier(study: Study, file: Path) -> Result:
    if not file.exists():
        return {}
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        subject, results = stored["subject"], dict(stored["results"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file} holds no results of an earlier run") from error
    if subject != study.subject:
        raise DataError(f"{file} holds results of another model or other images: name another file")
    return results


def _write(file: Path, content: Result) -> None:
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
