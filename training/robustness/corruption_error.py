"""Corruption errors beside AlexNet's, as ImageNet-C reports them."""

from collections.abc import Mapping

import numpy as np

ALEXNET = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}
"""AlexNet's errors on ImageNet-C, on average over five severities.

Hendrycks & Dietterich 2019, "Benchmarking neural network robustness to common corruptions and
perturbations", with the digits of the authors' repository, hendrycks/robustness.
"""


def beside_alexnet(errors: Mapping[str, float]) -> float:
    """The mean corruption error, mCE: 1 is AlexNet's, less is better.

    The paper's is over fifteen corruptions; this one is over those that are given, each of the
    same weight.

    Args:
        errors: on ImageNet's classes, by corruption, on average over the five severities.
    """
    return float(np.mean([error / ALEXNET[name] for name, error in errors.items()]))
