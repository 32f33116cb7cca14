"""A line of the log, as a program or a person reads it."""

import json
import logging
import sys
from datetime import datetime, timedelta
from io import StringIO

import pytest

from service.logs import JsonFormatter, LogFormat, formatter


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("service.x", logging.WARNING, __file__, 1, message, (), None)
    vars(made).update(extra)
    return made


def test_a_record_is_one_object_in_one_line() -> None:
    line = JsonFormatter().format(record("two\nlines", fields={"status": 200}))

    assert "\n" not in line
    found = json.loads(line)
    assert datetime.fromisoformat(found.pop("time")).utcoffset() == timedelta(0)
    assert found == {
        "level": "warning",
        "logger": "service.x",
        "message": "two\nlines",
        "status": 200,
    }


def test_an_error_comes_with_its_trace() -> None:
    failed = record("it failed")
    try:
        int("why")
    except ValueError:
        failed.exc_info = sys.exc_info()

    assert "ValueError: invalid literal" in json.loads(JsonFormatter().format(failed))["error"]


@pytest.mark.parametrize(
    ("chosen", "stream", "as_json"),
    [
        (LogFormat.AUTO, Terminal(), False),
        (LogFormat.AUTO, StringIO(), True),
        (LogFormat.TEXT, StringIO(), False),
        (LogFormat.JSON, Terminal(), True),
    ],
)
def test_auto_writes_text_on_a_terminal(
    chosen: LogFormat, stream: StringIO, *, as_json: bool
) -> None:
    line = formatter(chosen, stream).format(record("hello"))

    assert "hello" in line
    assert line.startswith("{") is as_json
