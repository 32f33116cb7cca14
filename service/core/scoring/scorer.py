"""From decoded images to rows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import RuntimeFailure
from models.manifest import Manifest
from service.core import conformal
from service.core.classification import predict, softmax
from service.core.plan import Plan
from service.core.ports import Runner
from service.core.scoring.ahead import ahead
from service.core.scoring.decoding import Decoded
from service.core.scoring.rows import Row

COVERAGE = 0.9
"""Of prediction sets, where the bundle has it; else its largest."""


@dataclass(frozen=True)
class Options:
    """What a row says: so many classes, and perhaps the embedding."""

    top_k: int = 5
    embedding: bool = False


@dataclass(frozen=True)
class Scorer:
    """A model and what is asked of it.

    `runner` runs the bundle's `model.onnx`, as `plan` says: on so many images, in so many
    threads at once.
    """

    manifest: Manifest
    runner: Runner
    plan: Plan
    options: Options = field(default_factory=Options)

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
        pixels = [image.pixels for image in block if image.pixels is not None]
        answers = iter(self._answers(np.stack(pixels)) if pixels else ())
        return [
            Row(
                image.item.id,
                image.item.path,
                image.sha256,
                error=image.error,
                **({} if image.pixels is None else next(answers)),
            )
            for image in block
        ]

    def _answers(self, pixels: npt.NDArray[np.uint8]) -> list[dict[str, Any]]:
        """The columns that a model fills, for each of some crops."""
        outputs = self.runner.run({"image": pixels})
        logits = outputs["logits"]
        if not np.isfinite(logits).all():
            raise RuntimeFailure("a logit is not finite")
        labels, calibration = self.manifest.labels, self.manifest.calibration
        temperature = 1.0 if calibration is None else calibration.temperature
        sets = self._sets(softmax(logits, temperature))
        answers = []
        for number, row in enumerate(logits):
            top = predict(row, labels, top_k=self.options.top_k, temperature=temperature)
            answers.append(
                {
                    **vars(top[0]),
                    "top_k": [dict(vars(prediction)) for prediction in top],
                    "calibrated": calibration is not None,
                    "prediction_set": None if sets is None else sets[number],
                    "embedding": outputs["embedding"][number].tolist()
                    if self.options.embedding
                    else None,
                }
            )
        return answers

    def _sets(self, probabilities: npt.NDArray[np.float64]) -> list[list[str]] | None:
        calibration = self.manifest.calibration
        if calibration is None or calibration.conformal is None:
            return None
        rule = calibration.conformal.raps
        fitted = [float(coverage) for coverage in rule.thresholds]
        coverage = COVERAGE if COVERAGE in fitted else max(fitted)
        members = conformal.prediction_sets(probabilities, rule, coverage)
        return [[self.manifest.labels[index] for index in np.flatnonzero(row)] for row in members]
