"""The process of one job: `python -m service.jobs.worker`, told by its standard input what to do.

It says how far it is by lines of JSON on its standard output, and ends with its parent.
"""

import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

import httpx

from models.durable import replacing
from models.errors import DataError, SeeWhyError
from service import scoring
from service.core.scoring.inputs import Source
from service.core.scoring.parts import Format, join
from service.core.scoring.scorer import Options
from service.core.scoring.summary import Summary
from service.jobs import fetching, unpacking
from service.jobs.folders import JobFolder
from service.jobs.job import JobRequest, Origin
from service.settings import Settings

NICENESS = 15
"""Below the service's explanations, which give way to classification by 10."""

PART_SIZE = 1000
SAY_SECONDS = 0.5


def main() -> int:
    """Do the job; 1 where it cannot be done, and the last line says why."""
    os.nice(NICENESS)
    given = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with, args=(sys.stdin,), daemon=True).start()
    folder, request = JobFolder(Path(given["folder"])), JobRequest(**given["request"])
    settings = Settings(**given["settings"])
    try:
        if not folder.results(request).exists():
            _score(folder, request, settings)
    except (SeeWhyError, OSError) as error:
        _say(error=_reason(error).replace(f"{folder.path}{os.sep}", ""))
        return 1
    return 0


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _score(folder: JobFolder, request: JobRequest, settings: Settings) -> None:
    base, name = _source(folder, request, settings)
    # Rows name their images from here on, and not where the service keeps them.
    os.chdir(base)
    format_ = Format(request.format)
    scoring.run(
        scoring.Request(
            Source(name, request.column, within=base),
            folder.parts,
            PART_SIZE,
            request.model,
            request.version,
            Options(request.top_k, request.embedding, request.box, request.robustness),
            format_,
        ),
        settings,
        _Progress(),
    )
    with replacing(folder.results(request)) as temporary:
        join(format_, folder.parts, temporary)
    shutil.rmtree(folder.parts)


def _source(folder: JobFolder, request: JobRequest, settings: Settings) -> tuple[Path, str]:
    """The folder that the images lie in, and what in it is scored.

    Raises:
        DataError: the file cannot be had, or is broken.
        InvalidRequest: the settings no longer allow it.
        OSError: the disk refused.
    """
    if request.origin is Origin.PATH:
        path = Path(request.input)
        root = next((each for each in settings.job_roots if path.is_relative_to(each)), None)
        if root is None:
            raise DataError(f"{path} is below none of SEEWHY_JOB_ROOTS")
        return root, str(path.relative_to(root))
    if request.origin is Origin.URL:
        url = fetching.check(request.input, settings.job_hosts)
        received = folder.received(fetching.suffix_of(url.path))
        if not received.exists():
            _fetch(url, received, settings.job_bytes)
    else:
        received = folder.received(Path(request.input.partition(" ")[0]).suffix)
    if received.suffix != ".zip":
        return folder.path, received.name
    if not folder.unpacked.exists():
        unpacking.unpack(received, folder.unpacked, settings.job_bytes)
    return folder.unpacked, "."


def _fetch(url: httpx.URL, file: Path, most_bytes: int) -> None:
    with replacing(file) as temporary:
        fetching.fetch(url, temporary, most_bytes)


class _Progress:
    """Says how far a run is, twice a second at most."""

    def __init__(self) -> None:
        self._said = 0.0

    def __call__(self, summary: Summary, more: int) -> None:
        now, finished = time.monotonic(), summary.rows == summary.images
        if finished or now - self._said >= SAY_SECONDS:
            self._said = now
            _say(images=summary.images, done=summary.rows + more, failed=summary.failed)


def _say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _end_with(parent: IO[str]) -> None:
    """End at once when the service has; whatever is done stays done."""
    parent.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
