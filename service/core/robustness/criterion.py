"""What an attack wants: any other answer than an image's label, or one certain answer."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.core.network import Floats

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Rows = Ints | Bools


@dataclass(frozen=True, eq=False)
class Criterion:
    """The attacker's goal for each of N rows.

    Attributes:
        labels: [N], the answers that are to change.
        targets: [N], the answers that are wanted instead; None: any other.
    """

    labels: Ints
    targets: Ints | None = None

    def reached(self, logits: Floats) -> Bools:
        """Whether each row's answer is as the attacker wants it: [N], of logits [N, K]."""
        answers = logits.argmax(axis=1)
        if self.targets is None:
            return np.asarray(answers != self.labels)
        return np.asarray(answers == self.targets)

    def take(self, rows: Rows) -> "Criterion":
        """The criterion of some rows, chosen by index or by a mask."""
        return Criterion(self.labels[rows], None if self.targets is None else self.targets[rows])
