"""The page of a study, which stands by itself and says what the results say."""

import re
from typing import Any

import pytest

from training.report.attacks import render
from training.robustness.outcome import Outcome
from training.robustness.study import ATTACKS, EPS, MANY_STEPS

STANDING = [[True] * 4, [True, True, True, False], [True, True, False, False], *[[False] * 4] * 3]


@pytest.fixture
def results() -> dict[str, Any]:
    """Of four images: three stand at 1/255, none from 4/255 on."""
    attacks = {
        text.format(eps): standing
        for text in ATTACKS.values()
        for eps, standing in zip(EPS, STANDING, strict=True)
    }
    mishaps = {
        "robustness_images": 4, "robustness_clean": 1.0, "rotation_worst": 0.5, "shift_worst": 0.75,
        "corruption_gaussian_noise_1": 1.0, "corruption_gaussian_noise_5": 0.25,
    }  # fmt: skip
    return attacks | {
        "mishaps": mishaps,
        MANY_STEPS: STANDING[1],
        "minimal linf": [0.004, 0.005, 0.006, None],
        "minimal l2": [0.1, 0.2, 0.3, 0.4],
        "smoothing": {"0": 0.5, "0.25": 0.25},
        "squeezing": None,
    }


def test_the_page_says_what_the_results_say(results: dict[str, Any]) -> None:
    page = render(Outcome(results), title="cats/3", sigma=0.25, imagenet=False)
    text = " ".join(re.sub(r"<svg.*?</svg>|<[^>]+>", " ", page, flags=re.DOTALL).split())

    assert "4 images; 100.0% of them are right" in text
    assert "worst 100.0% 75.0% 50.0% 0.0% 0.0% 0.0%" in text
    assert "gaussian noise 100.0% 25.0% 37.5%" in text
    assert "50.0% are right at every angle of a grid, 75.0% at every shift" in text
    assert text.count("holds") == 5
    assert "noise of sigma 0.25" in text
    assert "Does an attack show?" not in text
    assert "AlexNet" not in text


def test_a_model_of_imagenets_classes_has_its_mean_corruption_error(
    results: dict[str, Any],
) -> None:
    page = render(Outcome(results), title="cats/3", sigma=0.25, imagenet=True)

    assert f"AlexNet's is {0.375 / 0.886428:.1%}" in page


def test_the_page_loads_nothing_and_has_its_charts(results: dict[str, Any]) -> None:
    page = render(Outcome(results), title="cats/3", sigma=0.25, imagenet=False)

    assert page.count("<svg") == 4
    assert not re.search(r'(src|href)="(?!#)', re.sub(r'xlink:href="#', "", page))
    assert page == render(Outcome(results), title="cats/3", sigma=0.25, imagenet=False)


def test_a_failed_check_is_said_to_fail(results: dict[str, Any]) -> None:
    results[ATTACKS["pgd"].format(EPS[-1])] = [True] * 4

    assert "<td>FAILS</td>" in render(Outcome(results), title="cats/3", sigma=0.25, imagenet=False)
