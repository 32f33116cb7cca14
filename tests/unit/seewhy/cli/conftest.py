"""What tests of the command line share."""

import pytest


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tables be as wide as they like."""
    monkeypatch.setenv("COLUMNS", "400")
