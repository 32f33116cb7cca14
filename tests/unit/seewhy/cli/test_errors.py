import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seewhy.cli import run
from service.core.saliency.methods import METHODS
from service.settings import Settings


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["classify"],
        ["classify", "photo.jpg", "--top-k", "0"],
        ["explain", "photo.jpg"],
        ["explain", "photo.jpg", "-o", "heat.png", "--method", "guess"],
        ["explain", "photo.jpg", "-o", "/"],
        ["explain", "photo.jpg", "-o", "heat.jpg"],
        ["explain", "photo.jpg", "-o", "heat.png", "-p", "samples"],
        ["explain", "photo.jpg", "-o", "heat.png", "-p", "samples=0"],
        ["explain", "photo.jpg", "-o", "heat.png", "-p", "colour=red"],
        ["explain", "photo.jpg", "-o", "/no/such/folder/heat.png"],
        ["export"],
        ["train", "photos", "--budget", "soon"],
        ["train", "photos", "--strategy", "probe", "--explain-choice"],
        ["compare", "photos"],
        ["compare", "photos", "--backbone", "linear", "-o", "/no/such/folder/page.html"],
        ["compare", "photos", "--backbone=linear", "--weights=none", "--weights=none"],
        ["models"],
        ["models", "rollback", "tiny", "--version", "zero"],
        ["serve", "--provider", "abacus"],
        ["serve", "--port", "70000"],
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("seewhy: ")
    assert err.count("\n") == 1
    assert "Value error" not in err


def test_a_setting_of_the_environment_that_is_wrong_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEWHY_QUEUE_SIZE", "many")

    assert run(["models", "list"]) == 2
    assert "SEEWHY_QUEUE_SIZE" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_exit_code_1(
    tiny_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "show", "huge", "--repository", str(tiny_repository)]) == 1
    assert capsys.readouterr().err == "seewhy: there is no bundle 'huge'; there are: tiny\n"


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert "Usage: seewhy" in capsys.readouterr().out


def test_explain_offers_every_method(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "--help"]) == 0
    assert f"<{'|'.join(METHODS)}>" in capsys.readouterr().out


def test_the_help_of_serve_lists_every_variable(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--help"]) == 0
    helped = capsys.readouterr().out
    assert [name for name in Settings.model_fields if f"SEEWHY_{name.upper()}" not in helped] == []


def test_export_names_every_backbone_where_one_is_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", "--backbone", "nosuch", "--repository", str(tmp_path)]) == 1
    assert "efficientnet_lite0, " in capsys.readouterr().err


def test_serve_names_the_host_that_nobody_knows(
    tiny_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", "--host", "nosuch.invalid", "--repository", str(tiny_repository)]) == 1
    assert "seewhy: cannot listen on nosuch.invalid:8000: " in capsys.readouterr().err


def test_a_broken_bundle_is_listed_as_broken_beside_the_others(
    tmp_path: Path, tiny_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = shutil.copytree(tiny_repository, tmp_path / "repository")
    broken = shutil.copytree(repository / "tiny" / "1", repository / "broken" / "1")
    (broken / "manifest.json").write_text("{")
    lost = shutil.copytree(repository / "tiny" / "1", repository / "lost" / "1")
    manifest = json.loads((lost / "manifest.json").read_text())
    (lost / "manifest.json").write_text(json.dumps(manifest | {"name": "lost"}))
    (repository / "lost" / "current").write_text("7")

    assert run(["models", "list", "--repository", str(repository)]) == 3

    out, err = capsys.readouterr()
    rows = [line.split() for line in out.splitlines()]
    assert ["broken", "1", "yes", "broken", "broken"] in rows
    assert ["lost", "1", "broken", "4", "tiny"] in rows
    assert ["tiny", "1", "yes", "4", "tiny"] in rows
    assert err.count("\n") == 2
    assert "manifest.json" in err
    assert "'7'" in err


def in_a_process(code: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own: pytest keeps what is logged here off stderr."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "SEEWHY_DEFAULT_MODEL": "tiny"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_what_nobody_expected_is_told_with_its_trace(
    tiny_repository: Path, tmp_path: Path, red_left: bytes
) -> None:
    (tmp_path / "photo.png").write_bytes(red_left)
    code = """
from service.api import pipeline
from seewhy.cli import main

def nobody_expected_it(*_, **__):
    raise ZeroDivisionError("nobody expected this")

pipeline.preprocess = nobody_expected_it
main()
"""
    arguments = ["classify", "photo.png", "--repository", str(tiny_repository)]
    done = in_a_process(code, *arguments, folder=tmp_path)

    assert done.returncode == 1
    assert "ZeroDivisionError: nobody expected this" in done.stderr
    assert "unexpected error" in done.stderr


@pytest.mark.parametrize("command", [["classify"], ["explain", "-o", "heat.png"]])
def test_a_bundle_that_is_broken_is_one_line(
    tiny_repository: Path, tmp_path: Path, red_left: bytes, command: list[str]
) -> None:
    repository = shutil.copytree(tiny_repository, tmp_path / "models")
    broken = repository / "broken" / "1" / "manifest.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{}")
    (tmp_path / "photo.png").write_bytes(red_left)

    arguments = [*command, "photo.png", "--model", "broken", "--repository", str(repository)]
    done = in_a_process("from seewhy.cli import main; main()", *arguments, folder=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("seewhy: ")
    assert "name: Field required" in done.stderr
    assert done.stderr.count("\n") == 1
