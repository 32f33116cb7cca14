"""What the routers work with; `service.app` builds it, tests may pass their own."""

import asyncio
from dataclasses import dataclass

from fastapi import Request

from models.photo import Limits
from service.api import exchange
from service.api.schemas.images import Options
from service.api.uploads import UploadLimits
from service.core.admission import Backlog
from service.core.batching import BatchQueue
from service.core.catalogue import Catalogue
from service.core.memory_watch import MemoryWatch
from service.core.serving import ServedModel
from service.core.workers import WorkerPool
from service.jobs.runner import JobRunner
from service.predictions.log import PredictionLog
from service.telemetry import Metrics


@dataclass(frozen=True)
class Parts:
    """The running service.

    `provider` runs the graphs, on each of `devices`, which are given by name. `admission`
    counts the images to be classified, from the door until their logits are there. `examiners`
    check robustness, which may take minutes where `explainers` take milliseconds. Without
    `prediction_log`, answers are not remembered; without `jobs`, none are taken; without
    `memory_watch`, memory has no limit.
    """

    catalogue: Catalogue
    admission: Backlog
    decoders: BatchQueue
    explainers: WorkerPool
    examiners: WorkerPool
    loaders: WorkerPool
    upload_limits: UploadLimits
    photo_limits: Limits
    timeout_ms: int
    max_robustness_passes: int
    provider: str
    devices: tuple[str, ...]
    metrics: Metrics
    prediction_log: PredictionLog | None
    jobs: JobRunner | None
    memory_watch: MemoryWatch | None


def of(request: Request) -> Parts:
    """The parts of the app that answers a request."""
    parts = request.app.state.parts
    assert isinstance(parts, Parts)  # noqa: S101  # set by the lifespan
    return parts


async def model_for(request: Request, options: Options) -> ServedModel:
    """The model that a request asks for, loaded if need be, and kept until it is answered.

    Raises:
        BundleNotFound: the repository has no such model or version.
        BundleError: the bundle cannot be used.
        RuntimeFailure: the runtime cannot load or run it.
        Overloaded: too many requests are waiting for models.
    """
    catalogue = of(request).catalogue
    while (model := catalogue.borrow(options.model, options.version)) is None:
        # A name that does not exist must not wait for a model that is being loaded.
        await asyncio.to_thread(catalogue.expect, options.model, options.version)
        loading = of(request).loaders.submit(catalogue.load, options.model, options.version)
        await asyncio.wrap_future(loading)
    known = exchange.of(request)
    known.at_end.callback(model.release)
    known.model = model.bundle.manifest.name
    return model
