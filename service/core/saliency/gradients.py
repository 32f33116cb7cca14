"""Maps from the gradient of the score with respect to the pixels."""

import numpy as np
import numpy.typing as npt

from service.core.network import Floats, Network
from service.core.saliency.maps import Maps


def gradient(network: Network, image: Floats, cotangents: Floats) -> Maps:
    """The largest absolute gradient over the colour channels.

    Simonyan et al. 2013, "Deep inside convolutional networks", section 3. One pass of
    `gradient.onnx` for each map.

    Raises:
        Unsupported: the bundle has no such graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    found = network.input_gradient(_repeated(image, len(cotangents)), cotangents).gradient
    return Maps(strongest(found), passes=len(cotangents))


def gradient_x_input(network: Network, image: Floats, cotangents: Floats, *, signed: bool) -> Maps:
    """The gradient times the pixel, summed over the colour channels.

    Shrikumar et al. 2016, "Not just a black box", section 3. One pass of `gradient.onnx` for
    each map. `signed` keeps the sign, else it is the absolute value.

    Raises:
        Unsupported: the bundle has no such graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    found = network.input_gradient(_repeated(image, len(cotangents)), cotangents).gradient
    return Maps(shares(found * image, signed=signed), passes=len(cotangents))


def smoothgrad(
    network: Network,
    image: Floats,
    cotangents: Floats,
    *,
    samples: int,
    sigma: float,
    seed: int,
    signed: bool,
) -> Maps:
    """The mean gradient over noisy copies of the image.

    Smilkov et al. 2017, "SmoothGrad", section 2. `samples` passes of `gradient.onnx` for each
    map.

    Args:
        network: see the package.
        image: see the package.
        cotangents: see the package.
        samples: how many copies; all maps see the same ones.
        sigma: of the Gaussian noise, as a share of the image's range of values.
        seed: of the noise, `default_rng(seed).standard_normal`, float32 [samples, 3, H, W].
        signed: the sum over the colour channels, with its sign; else the largest absolute
            value over them, as `gradient`.

    Raises:
        Unsupported: the bundle has no such graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    generator = np.random.default_rng(seed)
    deviation = np.float32(sigma * np.ptp(image))
    total = np.zeros((len(cotangents), *image.shape))
    # A batch at a time: all copies at once could take hundreds of megabytes.
    for first in range(0, samples, network.batch):
        count = min(network.batch, samples - first)
        noisy = generator.standard_normal((count, *image.shape), dtype=np.float32)
        # In place: two more arrays of so many numbers would take a quarter of the time of these.
        noisy *= deviation
        noisy += image
        for row, cotangent in enumerate(cotangents):
            rows = np.repeat(cotangent[np.newaxis], count, axis=0)
            total[row] += network.input_gradient(noisy, rows).gradient.sum(axis=0, dtype=float)
    mean = total / samples
    values = mean.sum(axis=1).astype(np.float32) if signed else strongest(mean)
    return Maps(values, passes=samples * len(cotangents))


def strongest(attributions: npt.NDArray[np.floating]) -> Floats:
    """[M, 3, H, W] to the largest absolute value over the channels: float32 [M, H, W]."""
    return np.asarray(np.abs(attributions).max(axis=1), dtype=np.float32)


def shares(attributions: npt.NDArray[np.floating], *, signed: bool) -> Floats:
    """[M, 3, H, W] to each pixel's sum over the channels, or its absolute value: [M, H, W]."""
    total = attributions.sum(axis=1)
    return np.asarray(total if signed else np.abs(total), dtype=np.float32)


def _repeated(image: Floats, times: int) -> Floats:
    return np.repeat(image[np.newaxis], times, axis=0)
