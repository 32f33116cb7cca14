"""A row of the zoo's table that is within every limit."""

import pytest

from models.manifest import Graph
from training.zoo.accuracy import Accuracy, GradientAccuracy
from training.zoo.check import Row


@pytest.fixture
def good() -> Row:
    """Figures like those of a real backbone."""
    return Row(
        name="some_net",
        parameters=1_000_000,
        megabytes=4.1,
        session_megabytes={Graph.MODEL: 6.0, Graph.GRADIENT: 9.0},
        accuracy=Accuracy(
            logits=2e-7,
            spread=0.3,
            gradients={
                Graph.GRADIENT: GradientAccuracy(
                    median_ratio=0.9,
                    cosine_loss=1e-6,
                    torch_cosine_loss=1e-6,
                    worst_cosine_loss=1e-5,
                    cosine_p=0.5,
                )
            },
        ),
        gradient64=3e-15,
        forward_ms=2.0,
        torch_forward_ms=3.0,
        gradient_ms=5.0,
        torch_gradient_ms=7.0,
    )
