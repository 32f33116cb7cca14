"""Golden inputs and outputs of a bundle, computed by PyTorch in float64."""

import copy

import numpy as np
import numpy.typing as npt
import torch

from training.backbones import Layout
from training.examples import smooth_noise
from training.instrument import Instrumented

IMAGES = 2


def golden(
    network: Instrumented, layout: Layout, size: tuple[int, int], *, seed: int = 0
) -> dict[str, npt.NDArray[np.generic]]:
    """The arrays of `golden.npz`; see `models.golden`.

    The images are seeded smooth noise; see `training.examples`.
    """
    generator = torch.Generator().manual_seed(seed)
    image = smooth_noise(IMAGES, size, generator)
    exact = copy.deepcopy(network).double().eval()
    pixels = (image.double() / 255).permute(0, 3, 1, 2).requires_grad_()
    outputs = exact(pixels)
    classes = outputs.logits.shape[1]
    cotangent = torch.randn(IMAGES, classes, generator=generator)
    softmax_weight = torch.linspace(0, 1, IMAGES)
    seed_gradient = cotangent + softmax_weight[:, None] * outputs.logits.detach().softmax(dim=1)
    arrays = {
        "image": image,
        "cotangent": cotangent,
        "softmax_weight": softmax_weight,
        "logits": outputs.logits,
        "embedding": outputs.embedding,
        "input_gradient": gradient(outputs.logits, pixels, seed_gradient),
    }
    if outputs.layer is not None:
        layer_gradient = gradient(outputs.logits, outputs.layer, cotangent)
        arrays["activations"] = to_grid(outputs.layer, layout)
        arrays["activation_gradients"] = to_grid(layer_gradient, layout)
    return {name: _stored(tensor) for name, tensor in arrays.items()}


def gradient(logits: torch.Tensor, wrt: torch.Tensor, cotangent: torch.Tensor) -> torch.Tensor:
    """The vector-Jacobian product, by autograd."""
    return torch.autograd.grad(logits, wrt, cotangent.to(logits.dtype), retain_graph=True)[0]


def to_grid(layer: torch.Tensor, layout: Layout) -> torch.Tensor:
    """The explained layer's output as [N, C, h, w]."""
    if layout is Layout.NCHW:
        return layer
    if layout is Layout.NHWC:
        return layer.permute(0, 3, 1, 2)
    patches = layer[:, 1:].permute(0, 2, 1)
    side = round(patches.shape[2] ** 0.5)
    return patches.reshape(*patches.shape[:2], side, side)


def _stored(tensor: torch.Tensor) -> npt.NDArray[np.generic]:
    plain = tensor if tensor.dtype == torch.uint8 else tensor.detach().float()
    return plain.contiguous().numpy()
