"""Sessions that have proved themselves: they reproduce the bundle's golden outputs."""

from models import bundle as bundles
from models import golden
from models.bundle import GOLDEN, Bundle
from models.errors import BundleInvalid, GoldenMismatch, Unsupported
from models.manifest import Graph
from service.runtime import engines
from service.runtime.providers import Device
from service.runtime.session import OnnxSession, open_session


def open_graph(bundle: Bundle, graph: Graph, device: Device, *, threads: int = 0) -> OnnxSession:
    """Load one graph of a bundle and check it on the device that will run it.

    Args:
        bundle: from a repository, or read from a folder; its files are taken to be verified.
        graph: which one.
        device: from `providers.choose`.
        threads: that one run may use on the CPU; 0 for one a core.

    Raises:
        Unsupported: the bundle has no such graph.
        BundleInvalid: the golden file is not valid, or the graph takes or gives something
            else than the manifest says.
        GoldenMismatch: the outputs differ from the bundle's own reference.
        RuntimeFailure: ONNX Runtime cannot load or run the graph.
    """
    manifest = bundle.manifest
    if graph not in manifest.graphs:
        raise Unsupported(f"{bundle} has no {graph.filename}")
    keeping = engines.remembering(device, bundle, graph)
    session = open_session(bundle.graph(graph), keeping, threads=threads)
    if session.spec != manifest.graphs[graph]:
        raise BundleInvalid(f"{bundle}: {graph.filename} has other inputs or outputs than stated")
    reference = golden.read(bundle.directory / GOLDEN)
    outputs = session.run(golden.feeds(reference, graph, session.inputs))
    try:
        golden.compare(graph, outputs, reference, manifest.tolerances)
        if graph is Graph.MODEL and (weight := bundles.cam_weights(bundle)) is not None:
            golden.compare_head(weight, reference, manifest.tolerances)
    except GoldenMismatch as error:
        raise GoldenMismatch(f"{bundle}: {error}") from error
    return session


def check(bundle: Bundle, device: Device) -> None:
    """Load every graph of a bundle and hold it against the golden outputs.

    Raises:
        BundleInvalid: the bundle contradicts itself; see `open_graph`.
        GoldenMismatch: a graph does not compute what PyTorch did.
        RuntimeFailure: ONNX Runtime cannot load or run a graph.
    """
    for graph in bundle.manifest.graphs:
        open_graph(bundle, graph, device)
