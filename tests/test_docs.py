"""What is not documented, or documented and not there, fails."""

import re
import shlex
from pathlib import Path

import pytest

from seewhy.cli import run

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md"))
CLI = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def names(documents: list[Path]) -> list[str]:
    return [document.relative_to(ROOT).as_posix() for document in documents]


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_that_is_mentioned_exists(document: str) -> None:
    mentioned = set(re.findall(r"`make ([a-z-]+)`", (ROOT / document).read_text(encoding="utf-8")))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert mentioned
    assert mentioned <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_every_file_that_a_document_links_to_exists(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))

    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_every_alert_is_documented() -> None:
    rules = (ROOT / "deploy" / "prometheus" / "rules.yml").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    alerts = re.findall(r"- alert: (\w+)", rules)

    assert alerts
    assert [alert for alert in alerts if f"`{alert}`" not in page] == []


def test_the_index_lists_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = sorted(page.name for page in ROOT.glob("docs/*.md") if page.name != "README.md")

    assert [page for page in pages if f"]({page})" not in index] == []


def commands_in_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The commands that a help text lists."""
    assert run([*arguments, "--help"]) == 0
    _, _, listed = capsys.readouterr().out.partition("Commands:\n")
    return re.findall(r"^  ([a-z]+)  ", listed, re.MULTILINE)


def test_every_command_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    commands = [[name] for name in commands_in_help([], capsys) if name != "models"]
    commands += [["models", name] for name in commands_in_help(["models"], capsys)]

    assert len(commands) > 4
    assert [name for name in commands if f"`seewhy {' '.join(name)}" not in CLI] == []


def test_every_documented_command_and_option_exists(capsys: pytest.CaptureFixture[str]) -> None:
    for line in re.findall(r"`seewhy ([a-z][^`]*)`", CLI):
        words = shlex.split(line)
        name = [word for word in words[:2] if re.fullmatch("[a-z]+", word)]
        assert run([*name, "--help"]) == 0, line
        helped = capsys.readouterr().out
        assert all(word in helped for word in words if word.startswith("-")), line
