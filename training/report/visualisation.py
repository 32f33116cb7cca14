"""What a network takes for the very picture of a class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torchvision.transforms.v2 import functional

from service.core.classification import softmax
from training import features
from training.instrument import Instrumented

STEPS = 64
RATE = 1.2
"""Adam's rate at the first step, in standard deviations of the preprocessing."""

PENALTY = 1e-4
"""Of the image's squared norm, in those deviations."""

JITTER = 0.1
"""The largest shift, as a share of the side."""

BLUR = (3.0, 0.5)
"""The blur's standard deviation at the first step and at the last, in pixels."""

BATCH = 8


@dataclass(frozen=True, eq=False)
class Visualisation:
    """A class's index, its picture, uint8 [H, W, 3], and the probability it has on this picture."""

    index: int
    image: npt.NDArray[np.uint8]
    probability: float


def visualise(
    network: Instrumented,
    classes: Sequence[int],
    size: tuple[int, int],
    *,
    temperature: float = 1.0,
    seed: int,
) -> list[Visualisation]:
    """For each class the image that maximises its score.

    Simonyan et al. 2013, "Deep inside convolutional networks", section 2: from the mean image,
    gradient ascent on the score before the softmax less the image's squared norm. Two
    regularisers keep it from finding noise that only the network sees: the image is shifted
    before each step (Mordvintsev et al. 2015, "Inceptionism") and blurred after it (Yosinski et
    al. 2015, "Understanding neural networks through deep visualization"), less and less.

    Args:
        network: in evaluation mode; it stays as it is.
        classes: indices.
        size: (H, W) of the images that the network takes.
        temperature: divides the logits.
        seed: of the shifts; an image does not depend on what other classes are asked for.
    """
    found = []
    for start in range(0, len(classes), BATCH):
        batch = classes[start : start + BATCH]
        images = _ascend(network, batch, size, temperature, seed)
        probabilities = softmax(features.logits(network, images), temperature)
        found += [
            Visualisation(index, image, float(row[index]))
            for index, image, row in zip(batch, images, probabilities, strict=True)
        ]
    return found


def _ascend(
    network: Instrumented,
    classes: Sequence[int],
    size: tuple[int, int],
    temperature: float,
    seed: int,
) -> npt.NDArray[np.uint8]:
    """An image for each class: uint8 [N, H, W, 3]."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.tensor(classes)[:, None]
    # The mean image is zero in units of the preprocessing, as in the paper.
    image = torch.zeros(len(classes), 3, *size, requires_grad=True)
    black, white = (0 - network.mean) / network.std, (1 - network.mean) / network.std
    optimizer = torch.optim.Adam([image], lr=RATE, maximize=True)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0, total_iters=STEPS)
    for sigma in np.linspace(*BLUR, STEPS):
        seen = _jittered(image, generator) * network.std + network.mean
        score = network(seen).logits.gather(1, target).sum() / temperature
        objective = score - PENALTY * image.square().sum()
        (image.grad,) = torch.autograd.grad(objective, [image])
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            image.copy_(_blurred(image, sigma).clamp(black, white))
    pixels = (image.detach() * network.std + network.mean).mul(255).round().to(torch.uint8)
    return np.ascontiguousarray(pixels.permute(0, 2, 3, 1).numpy())


def _jittered(image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The images [N, C, H, W], all shifted alike; what leaves on one side enters on the other."""
    reach = [round(JITTER * side) for side in image.shape[2:]]
    shift = [int(torch.randint(-far, far + 1, (), generator=generator)) for far in reach]
    return image.roll(shift, dims=(2, 3))


def _blurred(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur; the kernel spans three standard deviations to each side."""
    width = 2 * max(1, round(3 * sigma)) + 1
    blurred: torch.Tensor = functional.gaussian_blur(image, [width, width], [sigma, sigma])
    return blurred
