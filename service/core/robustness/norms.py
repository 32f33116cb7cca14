"""Norms of perturbations: lengths, steepest steps and projections.

Perturbations and gradients are float32 [N, 3, H, W], and pixels lie in [0, 1], so that an eps
of 1/255 is one level of an 8-bit image in Linf.
"""

import math
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from service.core.network import Floats

_TINY = np.float32(1e-12)


class Norm(StrEnum):
    """The norm of a perturbation, over all pixels and channels of an image."""

    LINF = "linf"
    L2 = "l2"


def length(change: Floats, norm: Norm) -> npt.NDArray[np.float64]:
    """The norm of each perturbation: [N]."""
    if norm is Norm.LINF:  # the largest is exact in float32
        axes = tuple(range(1, change.ndim))
        return np.asarray(np.abs(change).max(axis=axes), dtype=np.float64)
    return np.asarray(np.linalg.norm(_flat(change), axis=1))


def dual_length(gradient: Floats, norm: Norm) -> npt.NDArray[np.float64]:
    """By how much a step of length 1 along `steepest` raises a linear function: [N]."""
    return np.asarray(np.linalg.norm(_flat(gradient), ord=1 if norm is Norm.LINF else 2, axis=1))


def steepest(gradient: Floats, norm: Norm) -> Floats:
    """The step of length 1 that rises most; zero where the gradient is zero."""
    if norm is Norm.LINF:
        return np.asarray(np.sign(gradient))
    return np.asarray(gradient / np.maximum(column(length(gradient, norm)), _TINY))


def project(moved: Floats, images: Floats, norm: Norm, eps: Floats) -> Floats:
    """The point of the ball around each image nearest to where it was moved, then within [0, 1].

    Clipping to [0, 1] never leaves the ball, as the images themselves are within.

    Args:
        moved: [N, 3, H, W].
        images: [N, 3, H, W], the balls' centres.
        norm: of the ball.
        eps: [N], the balls' radii.
    """
    change, radius = moved - images, column(eps)
    if norm is Norm.LINF:
        change = np.clip(change, -radius, radius)
    else:
        change *= np.minimum(1, radius / np.maximum(column(length(change, norm)), _TINY))
    return np.clip(images + change, 0, 1)


def random_start(images: Floats, norm: Norm, eps: Floats, generator: np.random.Generator) -> Floats:
    """A point drawn uniformly from the ball around each image, then clipped to [0, 1]."""
    if norm is Norm.LINF:
        drawn = generator.uniform(-1, 1, images.shape).astype(np.float32)
    else:
        gaussian = generator.standard_normal(images.shape, dtype=np.float32)
        dimensions = gaussian[0].size
        radius = generator.random(len(images)) ** (1 / dimensions)
        drawn = steepest(gaussian, norm) * column(radius)
    return np.clip(images + column(eps) * drawn, 0, 1)


def column(values: npt.NDArray[np.floating]) -> Floats:
    """One number for each image, [N], as float32 [N, 1, 1, 1]."""
    return np.asarray(values, dtype=np.float32).reshape(-1, 1, 1, 1)


def _flat(images: Floats) -> npt.NDArray[np.float64]:
    return images.reshape(len(images), math.prod(images.shape[1:])).astype(np.float64)
