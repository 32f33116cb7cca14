"""The composition root of batch scoring: from settings and a request to a run."""

import os
from dataclasses import dataclass, field
from functools import partial

from models import bundle as bundles
from models.bundle import MANIFEST, Bundle
from models.manifest import Graph
from models.photo import Limits
from models.repository import Repository
from service.core.catalogue import default_model
from service.core.network import Network
from service.core.scoring import cluster, inputs, output, scoring
from service.core.scoring.cluster import Cluster
from service.core.scoring.decoding import Readable
from service.core.scoring.inputs import Source
from service.core.scoring.items import shown
from service.core.scoring.output import Model, Run
from service.core.scoring.parts import Format
from service.core.scoring.remote import Place
from service.core.scoring.scorer import Options, Scorer
from service.core.scoring.scoring import Progress, Work
from service.core.scoring.scrutiny import Scrutiny, scrutiny
from service.core.scoring.summary import Summary
from service.core.training_images import known_of, reference_of
from service.runtime import loading, noise, plans, providers
from service.runtime.tuning import Tuning
from service.settings import Settings


@dataclass(frozen=True)
class Request:
    """What is scored, by which model, and where the rows go.

    `model` and `version` are None for the default and the current one; `part_size` is the
    number of rows in a file; `cluster` where it is done, None for this machine.
    """

    source: Source
    folder: Place
    part_size: int
    model: str | None = None
    version: int | None = None
    options: Options = field(default_factory=Options)
    format: Format = Format.PARQUET
    retry_errors: bool = False
    cluster: Cluster | None = None


def run(request: Request, settings: Settings, progress: Progress) -> Summary:
    """Score what the output has not got yet.

    Args:
        request: what to do.
        settings: of the service: the repository, the device, the limits of what is read.
        progress: hears how far it is.

    Raises:
        DataError: the input is not there, holds nothing, or is broken.
        NotInstalled: the library of a store is missing.
        OutputError: the output cannot be written, or holds another run's results.
        BundleError: the bundle cannot be used.
        Unsupported: it has not got what the options ask for.
        ProviderUnavailable: the execution provider is not here.
        RuntimeFailure: the runtime failed.
    """
    repository = Repository(settings.repository.absolute())
    name = request.model or settings.default_model or default_model(repository)
    bundle = repository.open(name, request.version)
    wanted = scrutiny(
        bundle.manifest, box=request.options.box, robustness=request.options.robustness
    )
    identity = _identity(request, bundle)
    with output.opened(request.folder, identity) as opened:
        if request.cluster is None:
            work = _work(request, settings, cores=os.cpu_count() or 1)
            scorer = _scorer(bundle, request.options, wanted, settings)
            summary = scoring.score(inputs.read(request.source), scorer, opened, work, progress)
        else:
            work = _work(request, settings, cores=request.cluster.cpus)
            alone = _for_an_actor(settings, cores=request.cluster.cpus)
            make = partial(_scorer, bundle, request.options, wanted, alone)
            summary = cluster.score(
                request.source,
                make,
                opened,
                work=work,
                cluster=request.cluster,
                progress=progress,
            )
        opened.write_summary(summary.as_dict())
    return summary


def _work(request: Request, settings: Settings, *, cores: int) -> Work:
    readable = Readable(
        settings.max_upload_bytes, Limits(max_pixels=settings.max_pixels), request.source.within
    )
    return Work(readable, settings.decode_threads or cores, request.retry_errors)


def _for_an_actor(settings: Settings, *, cores: int) -> Settings:
    """One session on its own cores; what its neighbours do would spoil a measurement."""
    return settings.model_copy(update={"tune": Tuning.OFF, "threads": settings.threads or cores})


def _identity(request: Request, bundle: Bundle) -> Run:
    found = inputs.survey(request.source)
    manifest = bundle.manifest
    sha256 = bundles.sha256(bundle.directory / MANIFEST)
    return Run(
        Model(manifest.name, manifest.version, sha256),
        source=shown(request.source.name),
        column=request.source.column,
        images=found.images,
        fingerprint=found.fingerprint,
        top_k=request.options.top_k,
        embedding=request.options.embedding,
        box=request.options.box,
        robustness=request.options.robustness,
        format=request.format,
        part_size=request.part_size,
    )


def _scorer(bundle: Bundle, options: Options, wanted: Scrutiny, settings: Settings) -> Scorer:
    bundles.verify(bundle)
    device = providers.choose(settings.provider)
    plan = plans.plan_for(
        bundle, device, settings.tune, threads=settings.threads, max_batch=settings.max_batch
    )
    opened = partial(loading.open_graph, bundle, device=device, threads=plan.threads)
    known = known_of(bundle, reference_of(bundle))
    outputs = ["logits", "embedding"] if options.embedding or known else ["logits"]
    graphs = {graph: opened(graph) for graph in wanted.graphs}
    network = Network(
        graphs.__getitem__,
        classes=len(bundle.manifest.labels),
        head=bundles.cam_weights(bundle),
        batch=plan.batch,
        noise=noise.source(device),
    )
    # The other outputs are not needed, and copying them to Python costs.
    session = opened(Graph.MODEL).fetching(outputs)
    return Scorer(bundle.manifest, session, plan, options, known, network if graphs else None)
