import pytest

from seewhy.cli import run


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["classify"],
        ["classify", "photo.jpg", "--top-k", "0"],
        ["explain", "photo.jpg"],
        ["export"],
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


def test_a_setting_of_the_environment_that_is_wrong_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEWHY_QUEUE_SIZE", "many")

    assert run(["models", "list"]) == 2
    assert "SEEWHY_QUEUE_SIZE" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_exit_code_1(
    tiny_repository: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "show", "huge", "--repository", str(tiny_repository)]) == 1
    assert capsys.readouterr().err == "seewhy: there is no bundle 'huge'; there are: tiny\n"


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert "Usage: seewhy" in capsys.readouterr().out
