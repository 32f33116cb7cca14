"""The page that compares backbones."""

import re
from dataclasses import replace

import pytest

from training.layers import Transfer
from training.report.comparison import render
from training.score import Score
from training.selection import Candidate, Measured, Trained


def measured(name: str, accuracy: float, *, parameters: int, shift: float | None) -> Measured:
    layers = tuple(Transfer(blocks, 4, accuracy * blocks / 4, 400) for blocks in (1, 2, 4))
    return Measured(Candidate(name, "package"), layers, (), shift, 385_187_552, parameters)


@pytest.fixture
def page() -> str:
    return render(
        [
            measured("small", 0.8, parameters=1_000_000, shift=None),
            measured("large", 0.75, parameters=4_000_000, shift=0.214),
        ],
        title="ants & <bees>",
    )


def text(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_the_table_has_what_was_measured(page: str) -> None:
    assert "small (package) 80.0% 385.2 1.00 not known" in text(page)
    assert "large (package) 75.0% 385.2 4.00 0.21" in text(page)


def test_the_page_says_what_cannot_be_told_apart(page: str) -> None:
    # Of 400 images and 80% right, the square root of .8 * .2 / 400.
    assert "on 400 images" in text(page)
    assert "2.0 points (one standard error)" in text(page)


def test_the_page_has_two_charts_and_loads_nothing(page: str) -> None:
    assert page.count("<svg") == 2
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert "ants &amp; &lt;bees&gt;" in page


def test_the_same_measurements_give_the_same_page(page: str) -> None:
    again = render(
        [
            measured("small", 0.8, parameters=1_000_000, shift=None),
            measured("large", 0.75, parameters=4_000_000, shift=0.214),
        ],
        title="ants & <bees>",
    )
    assert again == page


def test_what_training_adds_has_a_table_where_it_was_asked_for(page: str) -> None:
    assert "What training adds" not in page
    small = measured("small", 0.8, parameters=1_000_000, shift=None)
    deeper = Trained("full", Score(0.5, 0.875, 0.9), Score(0.6, 0.75, 0.7), images=40)

    trained = render([replace(small, trained=(deeper,))], title="ants")

    assert "small (package) full 40 87.5% 75.0%" in text(trained)
