"""The composition root: settings in, an application out. Nothing is built at import."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from itertools import chain

from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry, ProcessCollector
from threadpoolctl import threadpool_limits

from models.bundle import Bundle
from models.errors import NotInstalled
from models.manifest import Graph, Manifest, Precision
from models.photo import Limits
from models.repository import Repository
from service.api import (
    administration,
    classify,
    documentation,
    drift,
    explain,
    feedback,
    health,
    jobs,
    keys,
    models,
    problems,
    robustness,
    similar,
    web,
)
from service.api.head import HeadAsGet
from service.api.observation import Observation
from service.api.parts import Parts
from service.api.uploads import UploadLimits
from service.core.admission import Backlog
from service.core.catalogue import Catalogue
from service.core.decoding import decoders
from service.core.memory_watch import MemoryWatch
from service.core.plan import Plan, batch_sizes
from service.core.ports import Runner
from service.core.serving import OpenGraph, ServedModel
from service.core.workers import WorkerPool
from service.jobs.runner import JobRunner
from service.predictions.log import PredictionLog, Retention
from service.runtime import hardware, loading, memory, noise, plans, providers
from service.runtime.gpus import read_gpus
from service.runtime.padding import padded
from service.runtime.providers import Device
from service.runtime.warming import warm
from service.settings import Settings
from service.telemetry import Metrics

logger = logging.getLogger(__name__)

ANSWERS = ("logits", "embedding")
"""The outputs of `model.onnx` that answers are made of."""

DAY_SECONDS = 24 * 60 * 60

DESCRIPTION = "Image classification that shows why."


def create_app(settings: Settings, *, open_graph: OpenGraph | None = None) -> FastAPI:
    """Build the application.

    Its lifespan loads the default model before anything is answered, raises a
    `SeeWhyError` where that cannot be done, and at its end lets all work be finished.

    Args:
        settings: all that can be set.
        open_graph: what loads graphs; ONNX Runtime on the settings' provider if left out.
    """
    metrics = Metrics(CollectorRegistry())
    ProcessCollector(registry=metrics.registry)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        # NumPy's own threads spin between two products, on cores that other requests wait for.
        with threadpool_limits(1, user_api="blas"):
            parts = await asyncio.to_thread(_start, settings, open_graph, metrics)
            app.state.parts = parts
            try:
                yield
            finally:
                await asyncio.to_thread(_stop, parts)

    app = FastAPIOffline(
        title="SeeWhy", description=DESCRIPTION, version=version("seewhy"), lifespan=lifespan
    )
    app.add_middleware(Observation, metrics=metrics)
    app.add_middleware(HeadAsGet)
    problems.install(app, settings.repository)
    routers = (
        classify.router,
        explain.router,
        robustness.router,
        similar.router,
        drift.router,
        feedback.router,
        jobs.router,
        models.router,
    )
    if settings.api_keys:
        guard = Depends(keys.guard(settings.api_keys))
        for router in routers:
            app.include_router(router, dependencies=[guard])
    else:
        # As the application's own, and its first, they are found at once; see `DirectRoute`.
        app.router.routes[:0] = chain.from_iterable(router.routes for router in routers)
    app.include_router(health.router)
    app.include_router(web.router)
    if settings.admin_key:
        admin = keys.guard({settings.admin_key: settings.queue_size})
        app.include_router(administration.router, dependencies=[Depends(admin)])
    documentation.show_examples(app)
    return app


def _start(settings: Settings, open_graph: OpenGraph | None, metrics: Metrics) -> Parts:
    """Load the default model and start what works for it."""
    devices = providers.every(providers.choose(settings.provider))
    provider, names = devices[0].provider, tuple(hardware.name(each) for each in devices)
    catalogue = Catalogue(
        Repository(settings.repository),
        partial(_serve, settings, devices, open_graph, metrics),
        default_name=settings.default_model,
        capacity=settings.max_models,
        trim=memory.trim,
        load_failed=metrics.load_failed,
    )
    catalogue.load(None, None)
    metrics.watch(catalogue.loaded, provider, read_gpus)
    capacity, explaining = settings.queue_size, settings.explain_threads
    return Parts(
        catalogue=catalogue,
        admission=Backlog("classifying", capacity=capacity),
        decoders=decoders(
            threads=settings.decode_threads or os.cpu_count() or 1, capacity=capacity
        ),
        explainers=WorkerPool("explaining", threads=explaining, capacity=capacity, background=True),
        examiners=WorkerPool("examining", threads=explaining, capacity=capacity, background=True),
        # The catalogue loads one model at a time.
        loaders=WorkerPool("loading models", threads=1, capacity=capacity),
        upload_limits=UploadLimits(settings.max_upload_bytes, settings.max_images),
        photo_limits=Limits(max_pixels=settings.max_pixels),
        timeout_ms=settings.timeout_ms,
        max_robustness_passes=settings.max_robustness_passes,
        provider=provider,
        devices=names,
        metrics=metrics,
        prediction_log=_prediction_log(settings, metrics),
        jobs=_jobs(settings, metrics),
        memory_watch=_memory_watch(settings, catalogue, metrics),
    )


def _serve(
    settings: Settings,
    devices: Sequence[Device],
    open_graph: OpenGraph | None,
    metrics: Metrics,
    bundle: Bundle,
) -> ServedModel:
    """Load a bundle on all devices, as is quickest there."""
    names = ", ".join(map(hardware.name, devices))
    logger.info("loading %s on %s (%s)", bundle, devices[0].provider, names)
    if open_graph:
        plan, openers = Plan(1, settings.threads, settings.max_batch), [open_graph]
    else:
        # The GPUs of a machine are taken to be alike: the first stands for all.
        plan = plans.plan_for(
            bundle,
            devices[0],
            settings.tune,
            threads=settings.threads,
            max_batch=settings.max_batch,
        )
        openers = [_runtime(each, plan) for each in devices]
    return ServedModel(
        bundle,
        openers,
        plan,
        settings.queue_size,
        metrics.batch,
        drift_window=settings.drift_window,
        search=settings.similar_search,
        noise=noise.source(devices[0]),
    )


def _memory_watch(settings: Settings, catalogue: Catalogue, metrics: Metrics) -> MemoryWatch | None:
    if settings.max_memory_bytes is None:
        return None

    def give_up() -> Bundle | None:
        bundle = catalogue.give_up_idle()
        if bundle is not None:
            metrics.given_up(bundle.manifest.name)
        return bundle

    metrics.memory_limit(settings.max_memory_bytes)
    return MemoryWatch(settings.max_memory_bytes, resident=memory.resident, give_up=give_up)


def _jobs(settings: Settings, metrics: Metrics) -> JobRunner | None:
    if settings.jobs is None:
        return None
    if find_spec("pyarrow") is None:
        raise NotInstalled(
            "jobs need pyarrow: run make install-dev, or pip install 'seewhy[scoring]'"
        )
    jobs = JobRunner(settings.jobs, settings)
    metrics.watch_jobs(lambda: jobs.state)
    return jobs


def _prediction_log(settings: Settings, metrics: Metrics) -> PredictionLog | None:
    if settings.prediction_log is None:
        return None
    log = PredictionLog(
        settings.prediction_log,
        Retention(settings.prediction_log_days * DAY_SECONDS, settings.prediction_log_bytes),
        keep_images=settings.prediction_log_images,
    )
    metrics.watch_log(lambda: log.state)
    return log


def _stop(parts: Parts) -> None:
    """Finish in the order in which images pass through."""
    if parts.memory_watch is not None:
        parts.memory_watch.close()
    if parts.jobs is not None:
        parts.jobs.close()
    parts.loaders.close()
    parts.decoders.close()
    parts.explainers.close()
    parts.examiners.close()
    parts.catalogue.close()
    if parts.prediction_log is not None:
        parts.prediction_log.close()


def _fetched(manifest: Manifest) -> tuple[str, ...]:
    """What of `model.onnx` is copied to Python, which costs.

    The activations are where they are all that explains an answer. Rounded ones would not be
    those of the float32 graphs, which explain everything else.
    """
    layer = manifest.explained_layer
    explains = layer is not None and layer.cam is not None and manifest.precision is Precision.FP32
    return (*ANSWERS, "activations") if explains else ANSWERS


def _runtime(device: Device, plan: Plan) -> OpenGraph:
    sizes = batch_sizes(plan.batch)

    def open_graph(bundle: Bundle, graph: Graph) -> Runner:
        session = loading.open_graph(bundle, graph, device, threads=plan.threads)
        if graph is Graph.MODEL:
            fetched = _fetched(bundle.manifest)
            session = session.fetching([name for name in session.outputs if name in fetched])
        warm(session, device, bundle.manifest.graphs[graph].inputs, sizes)
        return padded(session, device, sizes)

    return open_graph
