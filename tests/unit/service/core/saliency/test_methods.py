from typing import get_args

import pytest

from models.bundle import Bundle
from models.errors import InvalidRequest
from models.manifest import CamWeights, Graph, MethodName
from service.core.saliency.methods import METHODS, check, possible
from service.core.saliency.parameters import Parameters


def test_a_manifest_may_name_every_method() -> None:
    assert list(METHODS) == list(get_args(MethodName))


def test_every_parameter_is_one_of_a_method() -> None:
    taken = {name for method in METHODS.values() for name in method.parameters}
    assert taken == set(Parameters.model_fields)


def test_a_bundle_without_gradients_is_explained_from_outside(tiny_bundle: Bundle) -> None:
    manifest = tiny_bundle.manifest.model_copy(
        update={
            "graphs": {Graph.FLOAT: tiny_bundle.manifest.graphs[Graph.FLOAT]},
            "explained_layer": None,
        }
    )
    assert possible(manifest) == ["occlusion", "rise"]


def test_cam_is_for_pooled_linear_heads(tiny_bundle: Bundle) -> None:
    manifest = tiny_bundle.manifest
    layer = manifest.explained_layer
    assert layer is not None
    weights = CamWeights(weight="head", offset=0, shape=(4, 3))
    linear = layer.model_copy(update={"cam": weights})
    assert "cam" not in possible(manifest)
    assert "cam" in possible(manifest.model_copy(update={"explained_layer": linear}))


def test_a_parameter_of_another_method_is_refused_with_what_is_taken() -> None:
    with pytest.raises(InvalidRequest, match="gradcam takes no parameter 'samples'"):
        check("gradcam", Parameters(samples=3))
    with pytest.raises(InvalidRequest, match="it takes: masks, seed, signed"):
        check("rise", Parameters(window=3))
    check("smoothgrad", Parameters(samples=3, seed=2))
