"""The run on a Ray cluster: parts go out to actors, and their rows come back to be written.

One process lists the inputs, a part at a time and as fast as parts are taken; each actor has
one session and scores a part as one machine would. Only this process writes, so what makes
every input one row does not depend on the cluster. Whatever dies there, Ray does again.
"""

import logging
import math
import os
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from models.errors import NotInstalled, RuntimeFailure, SeeWhyError
from service.core.scoring import inputs
from service.core.scoring.inputs import Source
from service.core.scoring.items import Item
from service.core.scoring.output import Output
from service.core.scoring.remote import Remote, place
from service.core.scoring.rows import Row
from service.core.scoring.scorer import Scorer
from service.core.scoring.scoring import (
    Progress,
    Work,
    check_complete,
    decoded,
    finish,
    outstanding,
    timed,
)
from service.core.scoring.summary import Summary, Timing

CONNECT_SECONDS = 10
"""That a cluster's head has to answer."""


@dataclass(frozen=True)
class Cluster:
    """Where a run is done.

    Attributes:
        address: of the cluster's head; None for that of `RAY_ADDRESS`, else for one that is
            started on this machine and ends with the run.
        actors: how many score at once; None for as many as the cluster has room for now.
        cpus: cores of each.
        gpus: of each; a part of one is shared.
    """

    address: str | None = None
    actors: int | None = None
    cpus: int = 1
    gpus: float = 0


@dataclass(frozen=True)
class Part:
    """Inputs of one part that are to be scored."""

    number: int
    items: list[Item]


@dataclass(frozen=True)
class Scored:
    """Their rows, in order, and which of them took longest to read and decode."""

    number: int
    rows: list[Row]
    slowest: list[Timing]


def score(
    source: Source,
    make: Callable[[], Scorer],
    output: Output,
    *,
    work: Work,
    cluster: Cluster,
    progress: Progress,
) -> Summary:
    """Score what the output has not got yet, as `scoring.score` does.

    Args:
        source: the inputs; the cluster's machines find them, their bundle and their
            libraries under the same names as this one.
        make: called in each actor; it can be pickled, as `work` can.
        output: where the parts are; this machine alone needs it.
        work: how; its threads are each actor's.
        cluster: where.
        progress: hears how far it is, a part at a time.

    Raises:
        NotInstalled: Ray is not.
        DataError: an input file broke meanwhile.
        OutputError: a part cannot be read or written.
        RuntimeFailure: the runtime failed, or the cluster.
    """
    summary = Summary(output.run.images)
    finished = _finished(output, summary, retry=work.retry_errors)
    parts = partial(_parts, source=_absolute(source), size=output.run.part_size, finished=finished)
    with _connected(cluster.address) as ray:
        context = ray.data.DataContext.get_current()
        # A part is a block: several in one would keep other actors from taking their share.
        context.target_max_block_size = context.target_min_block_size = 1
        context.enable_progress_bars = False
        scored = (
            ray.data.from_items([None])
            .flat_map(parts, num_cpus=0)
            .map_batches(
                _Actor,
                fn_constructor_args=(make, work),
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=cluster.actors or _room(ray, cluster)),
                num_cpus=cluster.cpus,
                num_gpus=cluster.gpus,
            )
        )
        for batch in scored.iter_batches(batch_size=None, prefetch_batches=0):
            for part in batch["scored"]:
                if isinstance(part, SeeWhyError):
                    raise part
                for timing in part.slowest:
                    summary.remember(timing)
                finish(output, part.number, part.rows, summary)
                progress(summary, 0)
    check_complete(output, summary)
    return summary


def _finished(output: Output, summary: Summary, *, retry: bool) -> dict[int, set[str]]:
    """The parts that are there, each with the ids that are to be scored again."""
    parts = range(math.ceil(output.run.images / output.run.part_size))
    found = {part: outstanding(output, part, summary, retry=retry) for part in parts}
    return {part: ids for part, ids in found.items() if ids is not None}


def _absolute(source: Source) -> Source:
    """The same under a name that does not depend on a process's folder."""
    path = place(source.name)
    return source if isinstance(path, Remote) else replace(source, name=str(path.absolute()))


class _Actor:
    """One session, which scores a part at a time.

    What is wrong comes out as a value, here and from `_parts`: of what is raised, Ray hands on
    the text alone.
    """

    def __init__(self, make: Callable[[], Scorer], work: Work) -> None:
        self._make, self._work = make, work

    @cached_property
    def _scorer(self) -> Scorer:
        return self._make()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"scored": _column([self._score(part) for part in batch["part"]])}

    def _score(self, part: Part | SeeWhyError) -> Scored | SeeWhyError:
        if isinstance(part, SeeWhyError):
            return part
        summary = Summary(len(part.items))
        numbered = ((part.number, item) for item in part.items)
        try:
            images = timed(decoded(numbered, self._scorer, self._work), summary)
            return Scored(part.number, list(self._scorer.rows(images)), summary.slowest)
        except SeeWhyError as error:
            return error


def _parts(
    _: dict[str, Any], *, source: Source, size: int, finished: dict[int, set[str]]
) -> Iterator[dict[str, Part | SeeWhyError]]:
    """What is to be scored, in the place of the one row that Ray has to begin with."""
    try:
        for number, part in groupby(enumerate(inputs.read(source)), lambda pair: pair[0] // size):
            ids = finished.get(number)
            items = [item for _, item in part if ids is None or item.id in ids]
            if items:
                yield {"part": Part(number, items)}
    except SeeWhyError as error:
        yield {"part": error}


def _column(values: list[Scored | SeeWhyError]) -> Any:
    """As an array of objects; NumPy would look into them."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _room(ray: Any, cluster: Cluster) -> int:
    """How many actors the cluster has room for.

    Raises:
        RuntimeFailure: none.
    """
    there = ray.cluster_resources()
    room = there.get("CPU", 0) // cluster.cpus
    if cluster.gpus:
        room = min(room, there.get("GPU", 0) // cluster.gpus)
    if not room:
        raise RuntimeFailure(
            f"Ray: no room for an actor with {cluster.cpus} cores and {cluster.gpus:g} GPUs; the "
            f"cluster has {there.get('CPU', 0):g} and {there.get('GPU', 0):g}"
        )
    return int(room)


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Ray, connected to a cluster; what it raises is told as an error of ours."""
    try:
        import ray  # noqa: PLC0415  # an extra of the package
        import ray.data  # noqa: PLC0415
    except ImportError as error:
        raise NotInstalled(
            f"--engine ray needs {error.name}, which is not installed: run make install-dev, or "
            "pip install 'seewhy[ray]'"
        ) from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing of ours reports to others
    _quieten()
    try:
        _check_answers(address)
        ray.init(
            address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=None if address else False,
        )
        yield ray
    except SeeWhyError:
        raise
    except (ray.exceptions.RayError, ConnectionError, RuntimeError, ValueError) as error:
        raise RuntimeFailure(f"Ray: {' '.join(str(error).split())}") from error
    finally:
        ray.shutdown()


def _quieten() -> None:
    """Leave the terminal to the progress bar and to one line of error, as far as Ray lets us."""
    warnings.filterwarnings("ignore", module=r"ray\.data")  # that there are more actors than parts
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):  # the other writes Ray's own file
            handler.setLevel(logging.CRITICAL)


def _check_answers(address: str | None) -> None:
    """Ask whether anything listens there: Ray alone would try for minutes.

    Raises:
        RuntimeFailure: nothing does.
        ValueError: the port is no number.
    """
    if address in {None, "auto"}:
        address = os.environ.get("RAY_ADDRESS")
    head = urlsplit(f"//{address or ''}")
    if head.hostname is None or head.port is None:
        return  # none is named: Ray looks for one, or starts one
    try:
        socket.create_connection((head.hostname, head.port), CONNECT_SECONDS).close()
    except OSError as error:
        raise RuntimeFailure(
            f"Ray: {address} does not answer: {error.strerror or error}"
        ) from error
