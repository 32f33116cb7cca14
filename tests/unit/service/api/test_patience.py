"""How long a request may take."""

import pytest

from models.errors import InvalidRequest
from service.api.patience import patience
from service.api.schemas.classify import ClassifyOptions
from service.api.schemas.images import Options
from service.api.schemas.robustness import RobustnessOptions


@pytest.mark.parametrize(
    ("options", "images", "seconds"),
    [
        (ClassifyOptions(), 32, 30),
        (ClassifyOptions(robustness="fast"), 1, 30),
        (ClassifyOptions(robustness="thorough"), 1, 26 * 30),
        (RobustnessOptions(), 50, 30),
        (RobustnessOptions(), 51, 60),
        (RobustnessOptions(checks="square,queries=199"), 1, 30),
        (RobustnessOptions(checks="square,queries=200"), 1, 60),
        (RobustnessOptions(checks="square,queries=200"), 3, 4 * 30),
    ],
)
def test_many_passes_take_longer(options: Options, images: int, seconds: float) -> None:
    assert patience(images * options.passes, options.timeout_ms, 30) == seconds


def test_a_request_that_says_how_long_means_it() -> None:
    assert patience(10_000, 1500, 30) == 1.5


def test_a_malformed_check_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="there is no check 'carlini'"):
        _ = RobustnessOptions(checks="carlini").passes
