"""Every method by name: the graph it runs and the parameters it takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from models.errors import InvalidRequest
from models.manifest import ExplainedLayer, Graph, Manifest, MethodName
from service.core.network import Network
from service.core.saliency.class_activation import (
    cam,
    eigencam,
    gradcam,
    gradcam_plus_plus,
    hirescam,
    layercam,
    xgradcam,
)
from service.core.saliency.gradients import gradient, gradient_x_input, smoothgrad
from service.core.saliency.integrated_gradients import integrated_gradients
from service.core.saliency.maps import Maps
from service.core.saliency.occlusion import occlusion
from service.core.saliency.parameters import Parameters
from service.core.saliency.rise import rise
from service.core.saliency.scorecam import scorecam


def _any_layer(_: ExplainedLayer | None) -> bool:
    return True


def _explained(layer: ExplainedLayer | None) -> bool:
    return layer is not None


def _pooled_linear(layer: ExplainedLayer | None) -> bool:
    return layer is not None and layer.cam is not None


def _always(_: Network) -> bool:
    return True


def _unless_seen(network: Network) -> bool:
    return network.seen is None


def _unless_seen_below_head(network: Network) -> bool:
    return network.seen is None or network.head is None


@dataclass(frozen=True)
class Method:
    """A saliency method.

    Attributes:
        maps: the function; see the package.
        graph: what it runs.
        parameters: the names of those it takes, of `Parameters`' fields.
        fits: whether it can explain a bundle with this explained layer, given its graph.
        looks: whether it reads the image's values; else its size and what the network has seen
            of it are enough.
    """

    maps: Callable[..., Maps]
    graph: Graph
    parameters: tuple[str, ...] = ()
    fits: Callable[[ExplainedLayer | None], bool] = _any_layer
    looks: Callable[[Network], bool] = _always


METHODS: Mapping[MethodName, Method] = {
    "gradient": Method(gradient, Graph.GRADIENT),
    "gradient_x_input": Method(gradient_x_input, Graph.GRADIENT, ("signed",)),
    "smoothgrad": Method(smoothgrad, Graph.GRADIENT, ("samples", "sigma", "seed", "signed")),
    "integrated_gradients": Method(
        integrated_gradients, Graph.GRADIENT, ("steps", "baseline", "signed")
    ),
    "gradcam": Method(gradcam, Graph.CAM, looks=_unless_seen_below_head),
    "gradcam++": Method(gradcam_plus_plus, Graph.CAM),
    "hirescam": Method(hirescam, Graph.CAM),
    "layercam": Method(layercam, Graph.CAM),
    "xgradcam": Method(xgradcam, Graph.CAM),
    "cam": Method(cam, Graph.FLOAT, ("signed",), _pooled_linear, _unless_seen),
    "eigencam": Method(eigencam, Graph.FLOAT, (), _explained, _unless_seen),
    "scorecam": Method(scorecam, Graph.FLOAT, ("channels",), _explained),
    "occlusion": Method(occlusion, Graph.FLOAT, ("window", "stride", "signed")),
    "rise": Method(rise, Graph.FLOAT, ("masks", "seed", "signed")),
}


def possible(manifest: Manifest) -> list[MethodName]:
    """The methods that can explain a bundle."""
    return [
        name
        for name, method in METHODS.items()
        if method.graph in manifest.graphs and method.fits(manifest.explained_layer)
    ]


def check(name: MethodName, parameters: Parameters) -> None:
    """Refuse parameters that were given and that the method does not take.

    Raises:
        InvalidRequest: there is one.
    """
    method = METHODS[name]
    strange = parameters.model_fields_set & Parameters.model_fields.keys() - {*method.parameters}
    if strange:
        takes = ", ".join(method.parameters) or "none"
        raise InvalidRequest(f"{name} takes no parameter {min(strange)!r}; it takes: {takes}")
