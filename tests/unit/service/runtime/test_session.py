import numpy as np
import pytest

from models.bundle import Bundle
from models.errors import OutOfMemory, ProviderUnavailable, RuntimeFailure
from models.manifest import Graph
from service.runtime.providers import Device, Provider, choose
from service.runtime.session import OnnxSession, open_session

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


def test_idle_threads_do_not_spin(tiny_bundle: Bundle) -> None:
    session = open_session(tiny_bundle.graph(Graph.MODEL), choose(Provider.CPU), threads=2)
    options = session.session.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.parametrize(
    "message",
    [
        "Non-zero status code. Failed to allocate memory for requested buffer of size 1024",
        "CUDA failure 2: out of memory ; GPU=0",
        "CUBLAS_STATUS_ALLOC_FAILED",
    ],
)
def test_a_lack_of_memory_is_told_from_other_failures(message: str) -> None:
    class Exhausted:
        def run(self, *_: object) -> object:
            raise RuntimeError(message)

    session = OnnxSession(Exhausted(), ("image",), ("logits",))
    with pytest.raises(OutOfMemory, match=r"ONNX Runtime: ."):
        session.run({"image": IMAGE})


def test_a_session_that_would_quietly_run_elsewhere_is_refused(tiny_bundle: Bundle) -> None:
    cpu = choose(Provider.CPU)
    mistaken = Device(Provider.CUDA, (("ACLExecutionProvider", {}), *cpu.options))
    with pytest.raises(ProviderUnavailable, match="CPUExecutionProvider"):
        open_session(tiny_bundle.graph(Graph.MODEL), mistaken)
