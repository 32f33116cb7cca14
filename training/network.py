"""A bundle as explanations and attacks see it, without a service around it."""

from functools import cache

from models import bundle as bundles
from models.bundle import Bundle
from service.core.network import Network
from service.runtime.loading import open_graph
from service.runtime.providers import Provider, choose


def network_of(bundle: Bundle) -> Network:
    """A bundle's graphs as functions, on the CPU; each is loaded when it is first run.

    Raises:
        BundleInvalid: the classifier's weight is not where the manifest says.
    """
    device = choose(Provider.CPU)
    return Network(
        cache(lambda graph: open_graph(bundle, graph, device)),
        classes=len(bundle.manifest.labels),
        head=bundles.cam_weights(bundle),
    )
