"""The three small networks that no library ships: LeNet-5, an MLP, a linear classifier."""

import torch
from torch import nn

SIZE = 32
"""Height and width of their input, in pixels."""


class LeNet5(nn.Module):
    """LeCun et al. 1998, Gradient-based learning applied to document recognition, figure 2.

    Input float32 [N, 3, 32, 32], output [N, classes]; with ReLU and max pooling, as it is
    taught today, and colour input.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU()
        )
        self.classifier = nn.Sequential(
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(),
            nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes),
        )  # fmt: skip

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of a batch."""
        logits: torch.Tensor = self.classifier(self.features(image))
        return logits


def mlp(classes: int) -> nn.Module:
    """Two hidden layers of 256 units on 32x32 colour images."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 256), nn.ReLU(),
        nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, classes),
    )  # fmt: skip


def linear(classes: int) -> nn.Module:
    """Softmax regression on 32x32 colour images."""
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, classes))
