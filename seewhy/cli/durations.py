"""Spans of time as a user writes them."""

import re

import typer

SECONDS = {"s": 1, "m": 60, "h": 3600}


def seconds(text: str) -> float:
    """The seconds of `90s`, `10m` or `2h`.

    Raises:
        typer.BadParameter: it is none of these, or no time at all.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if found is None or float(found[1]) == 0:
        raise typer.BadParameter(f"a time is written as 90s, 10m or 2h, not {text!r}")
    return float(found[1]) * SECONDS[found[2]]
