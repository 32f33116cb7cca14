import numpy as np
import pytest

from models.bundle import Bundle
from models.errors import ProviderUnavailable, RuntimeFailure
from models.manifest import Graph
from service.runtime.providers import Device, Provider, choose
from service.runtime.session import open_session

IMAGE = np.zeros((1, 32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "feeds",
    [
        {},
        {"picture": IMAGE},
        {"image": IMAGE.astype(np.float32)},
        {"image": IMAGE[:, :16]},
        {"image": IMAGE[0]},
    ],
    ids=["nothing", "another name", "another type", "another size", "no batch"],
)
def test_what_the_graph_does_not_take_is_a_runtime_failure(
    tiny_bundle: Bundle, feeds: dict[str, np.ndarray]
) -> None:
    session = open_session(tiny_bundle.graph(Graph.MODEL), choose(Provider.CPU))
    with pytest.raises(RuntimeFailure, match=r"ONNX Runtime: .") as failure:
        session.run(feeds)
    assert "\n" not in str(failure.value)


def test_a_session_that_would_quietly_run_elsewhere_is_refused(tiny_bundle: Bundle) -> None:
    cpu = choose(Provider.CPU)
    mistaken = Device(Provider.CUDA, (("ACLExecutionProvider", {}), *cpu.options))
    with pytest.raises(ProviderUnavailable, match="CPUExecutionProvider"):
        open_session(tiny_bundle.graph(Graph.MODEL), mistaken)
