"""From decoded images to rows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import RuntimeFailure
from models.manifest import Manifest
from models.preprocess import Crop
from service.core import trust
from service.core.classification import predict, ranked, softmax
from service.core.network import Network
from service.core.plan import Plan
from service.core.ports import Runner
from service.core.robustness.examination import examine
from service.core.robustness.levels import Level
from service.core.robustness.subject import Subject
from service.core.scoring import scrutiny
from service.core.scoring.ahead import ahead
from service.core.scoring.decoding import Decoded
from service.core.scoring.rows import Row
from service.core.scoring.scrutiny import Scrutiny
from service.core.trust import Asked, Known, Terms

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Options:
    """What a row says beside the answer: so many classes, and what costs more.

    `robustness` is a level of `service.core.robustness.levels`.
    """

    top_k: int = 5
    embedding: bool = False
    box: bool = False
    robustness: Level | None = None


@dataclass(frozen=True)
class Scorer:
    """A model and what is asked of it.

    Attributes:
        manifest: of the bundle.
        runner: runs the bundle's `model.onnx`, as `plan` says: on so many images, in so many
            threads at once.
        plan: how.
        options: what a row says.
        known: what images are compared with, where the bundle is calibrated for that.
        network: the graphs that boxes and robustness need, run from as many threads; None
            where the options ask for neither.
    """

    manifest: Manifest
    runner: Runner
    plan: Plan
    options: Options = field(default_factory=Options)
    known: Known | None = None
    network: Network | None = None

    def rows(self, images: Iterable[Decoded]) -> Iterator[Row]:
        """A row for each image, in order; one without pixels has its error.

        Raises:
            RuntimeFailure: the runtime failed, or a logit is not finite.
        """
        images = iter(images)
        blocks = iter(lambda: list(islice(images, self.plan.batch)), [])
        most = self.plan.sessions + 1  # the next one waits while all are busy
        for rows in ahead(self._block, blocks, threads=self.plan.sessions, most=most):
            yield from rows

    def _block(self, block: Sequence[Decoded]) -> list[Row]:
        crops = [image.crop for image in block if image.crop is not None]
        answers = iter(self._answers(crops) if crops else ())
        return [
            Row(
                image.item.id,
                image.item.path,
                image.sha256,
                error=image.error,
                **({} if image.crop is None else next(answers)),
            )
            for image in block
        ]

    def _answers(self, crops: Sequence[Crop]) -> list[dict[str, Any]]:
        """The columns that a model fills, for each of some images."""
        outputs = self.runner.run({"image": np.stack([crop.pixels for crop in crops])})
        if not np.isfinite(outputs["logits"]).all():
            raise RuntimeFailure("a logit is not finite")
        embeddings = outputs.get("embedding", [None] * len(crops))
        return [
            {
                **self._predicted(logits),
                **self._trusted(logits, embedding),
                **self._scrutinised(crop, logits),
                "embedding": embedding.tolist() if self.options.embedding else None,
            }
            for crop, logits, embedding in zip(crops, outputs["logits"], embeddings, strict=True)
        ]

    def _predicted(self, logits: Floats) -> dict[str, Any]:
        top = predict(
            logits, self.manifest.labels, top_k=self.options.top_k, temperature=self._temperature
        )
        return {
            **vars(top[0]),
            "top_k": [dict(vars(prediction)) for prediction in top],
            "calibrated": self.manifest.calibration is not None,
        }

    def _trusted(self, logits: Floats, embedding: Floats | None) -> dict[str, Any]:
        terms = self._terms
        if terms is None:
            return {}
        novelty = None
        if self.known is not None and embedding is not None:
            novelty = trust.place(logits, embedding, self.known)
        probabilities = softmax(logits, self._temperature)
        classes = ranked(probabilities, self.manifest.labels)
        found = trust.assess(classes, novelty, terms)
        members = found.prediction_set
        return {
            "prediction_set": None if members is None else [member.label for member in members],
            "ood_score": None if novelty is None else novelty.nearest_neighbour.score,
            "decision": None if found.decision is None else found.decision.verdict.value,
        }

    def _scrutinised(self, crop: Crop, logits: Floats) -> dict[str, Any]:
        if self.network is None:
            return {}
        found: dict[str, Any] = {}
        labels, wanted = self.manifest.labels, self._scrutiny
        if wanted.method is not None:
            found["box"] = scrutiny.box(self.network, crop, logits, labels, wanted.method)
        if wanted.checks:
            answer = int(logits.argmax())
            subject = Subject(
                self.network, self._serve, crop.pixels, answer, labels, self._temperature
            )
            found["robustness"] = examine(wanted.checks, subject).verdict.value
        return found

    def _serve(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return np.asarray(self.runner.run({"image": crops})["logits"])

    @property
    def _temperature(self) -> float:
        calibration = self.manifest.calibration
        return 1.0 if calibration is None else calibration.temperature

    @cached_property
    def _terms(self) -> Terms | None:
        return trust.terms(self.manifest.calibration, Asked())

    @cached_property
    def _scrutiny(self) -> Scrutiny:
        return scrutiny.scrutiny(
            self.manifest, box=self.options.box, robustness=self.options.robustness
        )
