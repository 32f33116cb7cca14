import pytest
import typer

from seewhy.cli.durations import seconds


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1.5m", 90)]
)
def test_a_time_is_a_number_and_a_unit(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "10", "m", "-1m", "0s", "10 m", "1d", "1h30m", "infs"])
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="written as 90s, 10m or 2h"):
        seconds(text)
