"""Noise that a device draws, here on the CPU: it is normal, independent and repeatable."""

from functools import partial
from threading import Event

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from scipy import stats

from models.bundle import Bundle
from models.golden import relative_l2
from models.manifest import Graph
from service.core.batching import BatchQueue
from service.core.network import Network
from service.core.noise import Noise, on_host
from service.core.ports import Arrays
from service.core.robustness.smoothing import certify
from service.runtime.noise import GRAPH, PLACEHOLDER, on_device, source
from service.runtime.padding import PaddedRunner
from service.runtime.providers import Device, Provider, choose
from service.runtime.session import OnnxSession, open_session

CPU = choose(Provider.CPU)
IMAGE = np.linspace(0, 1, 3 * 16 * 16, dtype=np.float32).reshape(3, 16, 16)
SIGMA = 0.25
NOISES: dict[str, Noise] = {"in NumPy": on_host, "by ONNX Runtime": partial(on_device, CPU)}


def graph() -> onnx.ModelProto:
    """What the file holds, by onnx's own builder."""
    floats, sizes = TensorProto.FLOAT, TensorProto.INT64
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("RandomNormalLike", ["zeros"], ["normal"], seed=PLACEHOLDER),
        helper.make_node("Mul", ["normal", "sigma"], ["noise"]),
        helper.make_node("Add", ["image", "noise"], ["noisy"]),
    ]
    inputs = [
        helper.make_tensor_value_info("image", floats, [1, "C", "H", "W"]),
        helper.make_tensor_value_info("sigma", floats, [1]),
        helper.make_tensor_value_info("shape", sizes, [4]),
    ]
    outputs = [helper.make_tensor_value_info("noisy", floats, ["N", "C", "H", "W"])]
    built = helper.make_graph(nodes, "noise", inputs, outputs)
    opset = helper.make_opsetid("", 18)
    return helper.make_model(built, opset_imports=[opset], ir_version=9)


class Gate:
    """A runner that waits, so that requests gather behind the first."""

    def __init__(self, session: OnnxSession) -> None:
        self._session = session
        self.begun, self.opened = Event(), Event()
        self.rows: list[int] = []

    def run(self, feeds: Arrays, /) -> Arrays:
        self.begun.set()
        self.opened.wait()
        self.rows.append(len(feeds["image"]))
        return self._session.run(feeds)


@pytest.fixture
def session(tiny_bundle: Bundle) -> OnnxSession:
    return open_session(tiny_bundle.graph(Graph.FLOAT), CPU)


def size_of(session: OnnxSession) -> tuple[int, ...]:
    return tuple(side for side in session.spec.inputs[0].shape[1:] if isinstance(side, int))


def test_the_file_holds_the_graph() -> None:
    assert onnx.load(GRAPH) == graph()


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_the_noise_is_normal(noise: Noise) -> None:
    draw = noise(IMAGE, SIGMA, 3)
    drawn = (np.asarray(draw(16)) - IMAGE, np.asarray(draw(16)) - IMAGE)
    values = np.concatenate(drawn).ravel() / SIGMA

    count = values.size
    assert stats.kstest(values, "norm").pvalue > 0.001
    assert abs(values.mean()) < 4 / np.sqrt(count)
    low, high = stats.chi2.ppf([0.0005, 0.9995], count) / count
    assert low < np.square(values).mean() < high


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_images_pixels_and_calls_are_independent(noise: Noise) -> None:
    draw = noise(IMAGE, SIGMA, 3)
    values = np.concatenate([(np.asarray(draw(16)) - IMAGE) for _ in range(2)]).reshape(32, -1)
    between_images = np.corrcoef(values)[np.triu_indices(32, 1)]
    pixels = values.ravel()
    between_neighbours = np.corrcoef(pixels[:-1], pixels[1:])[0, 1]

    # Of independent rows, each correlation is nearly normal with the deviation 1 / sqrt(size).
    assert np.abs(between_images).max() < 5 / np.sqrt(values.shape[1])
    assert abs(between_neighbours) < 4 / np.sqrt(pixels.size)


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_a_seed_makes_the_same_images_again_and_another_makes_others(noise: Noise) -> None:
    def drawn(seed: int) -> np.ndarray:
        draw = noise(IMAGE, SIGMA, seed)
        return np.stack([np.asarray(draw(2)), np.asarray(draw(2))])

    first, again, other = drawn(0), drawn(0), drawn(1)

    np.testing.assert_array_equal(first, again)
    assert not np.isclose(first, other).mean() > 0.01
    assert not np.isclose(first[0], first[1]).mean() > 0.01


def test_a_huge_seed_is_taken() -> None:
    assert len(on_device(CPU, IMAGE, SIGMA, 2**70 + 5)(3)) == 3


def test_a_session_takes_what_a_device_holds(session: OnnxSession) -> None:
    size = size_of(session)
    held = on_device(CPU, np.zeros(size, dtype=np.float32), SIGMA, 0)(4)

    found = session.run({"image": held})["logits"]

    expected = session.run({"image": np.asarray(held)})["logits"]
    np.testing.assert_array_equal(found, expected)


def test_what_a_device_holds_goes_through_a_queue_with_what_the_host_holds(
    session: OnnxSession,
) -> None:
    size = size_of(session)
    held = on_device(CPU, np.zeros(size, dtype=np.float32), SIGMA, 0)(3)
    other = np.full((2, *size), 0.5, dtype=np.float32)
    gate = Gate(session)
    queue = BatchQueue([gate], name="test", max_batch=8, capacity=64)

    busy = queue.submit({"image": other})
    gate.begun.wait()
    answers = [queue.submit({"image": feed}) for feed in (held, other)]
    gate.opened.set()
    found = [answer.result().outputs["logits"] for answer in (*answers, busy)]
    queue.close()

    expected = [session.run({"image": np.asarray(feed)})["logits"] for feed in (held, other, other)]
    assert gate.rows == [2, 5]
    for one, other_one in zip(found, expected, strict=True):
        assert relative_l2(one, other_one) < 1e-6


def test_what_a_device_holds_can_be_padded(session: OnnxSession) -> None:
    size = size_of(session)
    held = on_device(CPU, np.zeros(size, dtype=np.float32), SIGMA, 0)(3)

    found = PaddedRunner(session, (4,)).run({"image": held})["logits"]

    expected = session.run({"image": np.asarray(held)})["logits"]
    assert relative_l2(found, expected) < 1e-6


def test_a_certificate_on_a_devices_noise(session: OnnxSession) -> None:
    """Which class the noise favours, and how surely, hardly depends on who draws it."""
    size = size_of(session)
    image = np.full(size, 0.4, dtype=np.float32)
    found = [
        certify(
            Network(lambda _: session, classes=4, noise=noise), image, sigma=0.25, n=2000, seed=2
        )
        for noise in NOISES.values()
    ]

    assert found[0].answer == found[1].answer
    assert found[0].radius == pytest.approx(found[1].radius, abs=0.05)


def test_a_cpu_draws_in_numpy_and_a_gpu_by_itself() -> None:
    gpu = Device(Provider.CUDA, (("CUDAExecutionProvider", {}), ("CPUExecutionProvider", {})), 1)

    assert source(CPU) is on_host
    drawing = source(gpu)
    assert isinstance(drawing, partial)
    assert (drawing.func, drawing.args) == (on_device, (gpu,))
