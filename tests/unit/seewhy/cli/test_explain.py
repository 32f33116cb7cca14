from pathlib import Path

import pytest

from seewhy.cli import run


def test_the_quality_is_printed_where_it_is_asked_for(
    tmp_path: Path, tiny_repository: Path, red_left: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, heat = tmp_path / "red.png", tmp_path / "heat.png"
    photo.write_bytes(red_left)
    asked = ["explain", str(photo), "-o", str(heat), "--repository", str(tiny_repository)]
    assert run(asked) == 0
    assert capsys.readouterr().out == ""
    assert run([*asked, "--quality", "--view", "beside", "--colours", "lagoon", "--legend"]) == 0
    said = capsys.readouterr().out
    assert "insertion" in said
    assert "deletion" in said
    assert heat.read_bytes().startswith(b"\x89PNG")


def test_what_to_know_about_a_map_is_printed(
    tmp_path: Path, tiny_repository: Path, red_left: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "red.png"
    photo.write_bytes(red_left)
    heat, repository = str(tmp_path / "heat.png"), str(tiny_repository)
    asked = ["explain", str(photo), "-o", heat, "--repository", repository, "--target", "blue"]
    assert run(asked) == 0  # there is no blue
    said = capsys.readouterr().out
    assert "zero everywhere" in said
    assert run([*asked, "--quality"]) == 0
    assert capsys.readouterr().out == said
