"""The bar on the standard error."""

import pytest

from seewhy.cli import progress
from service.core.scoring.rows import Row
from service.core.scoring.summary import Summary


def advance() -> None:
    summary = Summary(4)
    summary.add([Row(input="a", path=None, sha256=None, error="EmptyImage: no bytes")])
    with progress.bar() as hears:
        hears(summary, 2)


@pytest.mark.usefixtures("wide")
def test_it_tells_how_many_are_done_and_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")

    advance()

    told = capsys.readouterr().err
    assert "3/4" in told
    assert "images/s, 1 errors" in told


def test_a_file_gets_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    advance()

    assert capsys.readouterr().err == ""
