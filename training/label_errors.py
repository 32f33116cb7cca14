"""Images whose label is probably wrong."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from cleanlab.filter import find_label_issues


@dataclass(frozen=True)
class Suspect:
    """An image, by its row, and the class that it more probably shows."""

    index: int
    label: int
    likelier: int
    probability: float


def suspects(
    probabilities: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]
) -> tuple[Suspect, ...]:
    """The images whose labels confident learning doubts, least credible label first.

    Northcutt et al. 2021, "Confident learning: Estimating uncertainty in dataset labels",
    section 3: an image is doubted where another class's probability is above what that class
    has on average, and more images are so than the noise of these two classes explains.

    Args:
        probabilities: [N, K], each row from a model that has not seen the image.
        labels: [N], as given.
    """
    found = find_label_issues(
        labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1
    )
    return tuple(
        Suspect(
            row, int(labels[row]), int(probabilities[row].argmax()), float(probabilities[row].max())
        )
        for row in np.asarray(found).tolist()
        if probabilities[row].argmax() != labels[row]
    )
