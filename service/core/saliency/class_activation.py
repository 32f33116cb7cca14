"""The explained layer's activations, weighed: the CAM family.

All but `cam` and `eigencam` take one pass of `cam.onnx` for each map, whose backward pass
ends at the explained layer. Maps are enlarged bilinearly to the image's size.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from models.errors import Unsupported
from service.core.network import Floats, Network
from service.core.saliency.maps import Maps, enlarged
from service.core.saliency.resampling import enlarge

Doubles = npt.NDArray[np.float64]

Weighed = Callable[[Doubles, Doubles], Doubles]
"""From activations and gradients, each [M, C, h, w], to maps [M, h, w]."""


def gradcam(network: Network, image: Floats, cotangents: Floats) -> Maps:
    """Activations weighed by their mean gradients, rectified.

    Selvaraju et al. 2017, "Grad-CAM", equations 1 and 2. Under a head of global average
    pooling and one linear layer all positions have the same gradient, the layer's weight over
    their number (section 3.1): then one pass of `cam.onnx` serves all maps, or none where
    the activations have been seen already.

    Raises:
        Unsupported: the bundle has no such graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    if network.head is not None:
        activations, passes = network.seen, 0
        if activations is None:
            found = network.layer_gradient(image[np.newaxis], cotangents[:1])
            activations, passes = found.activations[0], 1
        coarse = _weighed_by_head(network.head, activations, cotangents)
        return enlarged(np.maximum(coarse, 0) / coarse[0].size, image, passes=passes)

    def weighed(activations: Doubles, gradients: Doubles) -> Doubles:
        return _combined(gradients.mean(axis=(2, 3)), activations)

    return _weighed_by_gradients(network, image, cotangents, weighed)


def gradcam_plus_plus(network: Network, image: Floats, cotangents: Floats) -> Maps:
    """Activations weighed by their positive gradients, each by its own coefficient.

    Chattopadhyay et al. 2018, "Grad-CAM++", equations 10 and 19. With the gradient g and the
    channel's sum S, the coefficient g^2 / (2 g^2 + S g^3) is 1 / (2 + S g), which needs no
    guard against small gradients; the paper's factor exp(score) is the same for the whole map
    and left out.

    Raises:
        Unsupported: the bundle has no such graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """

    def weighed(activations: Doubles, gradients: Doubles) -> Doubles:
        below = 2 + activations.sum(axis=(2, 3), keepdims=True) * gradients
        # Only activations below zero can bring it to zero; the paper has none.
        terms = np.divide(
            np.maximum(gradients, 0), below, out=np.zeros_like(below), where=below != 0
        )
        return _combined(terms.sum(axis=(2, 3)), activations)

    return _weighed_by_gradients(network, image, cotangents, weighed)


def hirescam(network: Network, image: Floats, cotangents: Floats) -> Maps:
    """Each activation times its own gradient, summed over the channels, rectified.

    Draelos and Carin 2020, "Use HiResCAM instead of Grad-CAM", section 3.

    Raises:
        Unsupported: the bundle has no such graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """

    def weighed(activations: Doubles, gradients: Doubles) -> Doubles:
        return np.asarray((activations * gradients).sum(axis=1))

    return _weighed_by_gradients(network, image, cotangents, weighed)


def layercam(network: Network, image: Floats, cotangents: Floats) -> Maps:
    """Each activation times its own gradient where that is positive, rectified.

    Jiang et al. 2021, "LayerCAM", equations 6 and 7.

    Raises:
        Unsupported: the bundle has no such graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """

    def weighed(activations: Doubles, gradients: Doubles) -> Doubles:
        return np.asarray((activations * np.maximum(gradients, 0)).sum(axis=1))

    return _weighed_by_gradients(network, image, cotangents, weighed)


def xgradcam(network: Network, image: Floats, cotangents: Floats) -> Maps:
    """Activations weighed by the mean of their gradients, each counted by its activation.

    Fu et al. 2020, "Axiom-based Grad-CAM", equation 8; rectified. A channel whose activations
    sum to zero counts nothing.

    Raises:
        Unsupported: the bundle has no such graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """

    def weighed(activations: Doubles, gradients: Doubles) -> Doubles:
        above, below = (activations * gradients).sum(axis=(2, 3)), activations.sum(axis=(2, 3))
        weights = np.divide(above, below, out=np.zeros_like(above), where=below != 0)
        return _combined(weights, activations)

    return _weighed_by_gradients(network, image, cotangents, weighed)


def cam(network: Network, image: Floats, cotangents: Floats, *, signed: bool) -> Maps:
    """Activations weighed by the classifier's own weights: no backward pass at all.

    Zhou et al. 2016, "Learning deep features for discriminative localization", equation 2.
    One pass of `float.onnx` for all maps, or none where the activations have been seen already.
    `signed` keeps what speaks against the class, else the map is rectified.

    Raises:
        Unsupported: the bundle has no such graph, or its logits are not linear in the mean
            of the explained layer.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    if network.head is None:
        raise Unsupported("cam needs a head of global average pooling and one linear layer")
    activations, passes = network.layer(image)
    coarse = _weighed_by_head(network.head, activations, cotangents)
    if signed:
        return Maps(enlarge(coarse, image.shape[1:]), passes)
    return enlarged(np.maximum(coarse, 0), image, passes=passes)


def eigencam(network: Network, image: Floats, cotangents: Floats) -> Maps:
    """The activations along their first principal direction, rectified: the same for any class.

    Muhammad and Yeasin 2020, "Eigen-CAM", section 3. One pass of `float.onnx` for all maps, or
    none where the activations have been seen already. The direction's sign, which is free, is
    taken so that the map's sum is positive.

    Raises:
        Unsupported: the bundle has no such graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    found, passes = network.layer(image)
    activations = found.astype(np.float64)
    positions = activations.reshape(len(activations), -1).T
    # Positions are far fewer than channels: their products have the same singular vectors.
    squares, directions = np.linalg.eigh(positions @ positions.T)
    projected = directions[:, -1] * np.sqrt(max(squares[-1], 0.0))
    coarse = np.maximum(projected * (np.sign(projected.sum()) or 1), 0)
    grid = coarse.reshape(1, *activations.shape[1:]).repeat(len(cotangents), axis=0)
    return enlarged(grid, image, passes=passes)


def _weighed_by_gradients(
    network: Network, image: Floats, cotangents: Floats, weighed: Weighed
) -> Maps:
    images = image[np.newaxis].repeat(len(cotangents), axis=0)
    found = network.layer_gradient(images, cotangents)
    coarse = weighed(found.activations.astype(np.float64), found.gradient.astype(np.float64))
    return enlarged(np.maximum(coarse, 0), image, passes=len(cotangents))


def _weighed_by_head(head: Floats, activations: Floats, cotangents: Floats) -> Floats:
    """The classifier's weights [K, C] times the activations [C, h, w]: [M, h, w]."""
    # Of a thousand classes a few are asked about; the rows of the others would count zero times.
    asked = cotangents.any(axis=0)
    return np.asarray(np.tensordot(cotangents[:, asked] @ head[asked], activations, axes=1))


def _combined(weights: Doubles, activations: Doubles) -> Doubles:
    """The sum over the channels of weights [M, C] times activations [M, C, h, w]."""
    return np.asarray(np.einsum("mc,mchw->mhw", weights, activations))
