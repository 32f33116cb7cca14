"""The log: a line of text on a terminal, a line of JSON where a program reads it."""

import json
import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TextIO

FIELDS = "fields"
"""The name under which `logging`'s `extra` holds what a JSON line says beside its message."""


class LogFormat(StrEnum):
    """What a line of the log looks like."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339, UTC), level, logger, message, fields, error."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def formatter(chosen: LogFormat, stream: TextIO) -> logging.Formatter:
    """What makes the lines written to a stream; `AUTO` is text on a terminal, else JSON."""
    as_text = stream.isatty() if chosen is LogFormat.AUTO else chosen is LogFormat.TEXT
    text = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    return text if as_text else JsonFormatter()


def configure(chosen: LogFormat) -> None:
    """Have everything from INFO on written to stderr."""
    # Of where a record comes from no line tells anything, and to find out takes longest.
    logging._srcfile = None  # noqa: SLF001  # as Python's logging HOWTO has it, "Optimization"
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(chosen, sys.stderr))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # What is wrong with a client's image is in the answer, and the operator's fault it is not.
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
