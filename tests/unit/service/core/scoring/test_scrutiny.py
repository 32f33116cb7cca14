"""What a closer look takes, and whether a bundle has it."""

from typing import Any

import pytest

from models.bundle import Bundle
from models.errors import Unsupported
from models.manifest import Graph
from service.core.scoring.scrutiny import scrutiny


@pytest.mark.parametrize(
    ("wanted", "graphs"),
    [
        ({"box": False, "robustness": None}, set()),
        ({"box": True, "robustness": None}, {Graph.CAM}),
        ({"box": False, "robustness": "fast"}, {Graph.FLOAT, Graph.GRADIENT}),
        ({"box": True, "robustness": "fast"}, {Graph.CAM, Graph.FLOAT, Graph.GRADIENT}),
    ],
)
def test_only_what_is_needed_is_opened(
    tiny_bundle: Bundle, wanted: dict[str, Any], graphs: set[Graph]
) -> None:
    assert scrutiny(tiny_bundle.manifest, **wanted).graphs == graphs


def test_a_bundle_without_a_default_method_has_no_boxes(tiny_bundle: Bundle) -> None:
    manifest = tiny_bundle.manifest.model_copy(update={"default_explanation": None})

    with pytest.raises(Unsupported, match="tiny cannot be explained by default"):
        scrutiny(manifest, box=True, robustness=None)


def test_a_bundle_without_gradients_has_no_verdict(tiny_bundle: Bundle) -> None:
    graphs = {
        name: spec for name, spec in tiny_bundle.manifest.graphs.items() if name != "gradient"
    }
    manifest = tiny_bundle.manifest.model_copy(update={"graphs": graphs})

    with pytest.raises(Unsupported, match=r"tiny has no gradient\.onnx"):
        scrutiny(manifest, box=False, robustness="fast")
