import time
from collections.abc import Callable
from contextlib import nullcontext
from threading import Lock

import numpy as np
import pytest

from models.bundle import Bundle
from models.errors import OutOfMemory
from service.core.plan import Plan
from service.core.ports import Arrays
from service.runtime import hardware, tuning
from service.runtime.providers import Device, Provider, choose
from service.runtime.tuning import Effort, Tuning

CPU = choose(Provider.CPU)
GPU = Device(Provider.CUDA, (("CUDAExecutionProvider", {}),))


class Sleeper:
    """A device that works off one batch after another, or all at once, in a time of its own."""

    def __init__(self, seconds: Callable[[int], float], *, one_at_a_time: bool) -> None:
        self._seconds = seconds
        self._turn = Lock() if one_at_a_time else nullcontext()
        self.shapes: set[tuple[int, ...]] = set()

    def run(self, feeds: Arrays, /) -> Arrays:
        image = feeds["image"]
        self.shapes.add(image.shape)
        assert image.dtype == np.uint8
        with self._turn:
            time.sleep(self._seconds(len(image)))
        return {}


def test_a_larger_batch_has_to_be_worth_it() -> None:
    rates = {Plan(2, 1, 1): 100.0, Plan(2, 1, 4): 104.0, Plan(1, 2, 4): 90.0}
    assert tuning.choose(rates) == Plan(2, 1, 1)
    assert tuning.choose({**rates, Plan(2, 1, 2): 107.0}) == Plan(2, 1, 2)
    assert tuning.choose({**rates, Plan(1, 2, 8): 150.0}) == Plan(1, 2, 8)


def test_a_plan_whose_threads_decode_may_be_a_little_slower() -> None:
    decoding = Plan(2, 1, 1, decodes=True)
    assert tuning.choose({decoding: 100.0, Plan(1, 2, 1): 109.0}) == decoding
    assert tuning.choose({decoding: 100.0, Plan(1, 2, 1): 120.0}) == Plan(1, 2, 1)


def test_of_equal_batches_the_quickest_plan_is_taken() -> None:
    assert tuning.choose({Plan(1, 2, 1): 100.0, Plan(2, 1, 1): 103.0}) == Plan(2, 1, 1)


def test_where_batches_cost_no_more_than_single_images_batches_are_chosen() -> None:
    runner = Sleeper(lambda _: 0.005, one_at_a_time=True)
    plans = {Plan(1, 1, batch): [runner] for batch in (1, 4, 16)}
    rates = tuning.measure(plans, (8, 6), Effort(2, 0.03)).rates
    assert tuning.choose(rates) == Plan(1, 1, 16)
    assert 0 < rates[Plan(1, 1, 16)] <= 16 / 0.005
    assert runner.shapes == {(1, 8, 6, 3), (4, 8, 6, 3), (16, 8, 6, 3)}


def test_where_sessions_do_not_hinder_each_other_several_are_chosen() -> None:
    runner = Sleeper(lambda rows: 0.005 * rows**2, one_at_a_time=False)
    plans = {Plan(n, 1, batch): [runner] * n for n in (1, 2) for batch in (1, 4)}
    rates = tuning.measure(plans, (8, 6), Effort(2, 0.03)).rates
    assert tuning.choose(rates) == Plan(2, 1, 1)


class Small:
    """A device with the memory for so many rows."""

    def __init__(self, fits: int) -> None:
        self._fits = fits

    def run(self, feeds: Arrays, /) -> Arrays:
        if len(feeds["image"]) > self._fits:
            raise OutOfMemory("too many")
        return {}


def test_plans_that_do_not_fit_are_left_out() -> None:
    plans = {Plan(n, 1, batch): [Small(4)] * n for n in (1, 2) for batch in (1, 4, 16)}
    found = tuning.measure(plans, (8, 6), Effort(2, 0.001))
    assert {plan.batch for plan in found.rates} == {1, 4}


def test_where_no_plan_fits_there_is_an_error() -> None:
    with pytest.raises(OutOfMemory):
        tuning.measure({Plan(1, 1, 1): [Small(0)]}, (8, 6), Effort(2, 0.001))


class Spinner:
    """Computes without a pause; waits for others `idle` of the time."""

    def __init__(self, idle: float) -> None:
        self._idle = idle

    def run(self, _: Arrays, /) -> Arrays:
        began = time.thread_time()
        while time.thread_time() < began + 0.002:
            pass
        time.sleep(0.002 * self._idle / (1 - self._idle))
        return {}


@pytest.mark.parametrize("idle", [0.5, 0.9])
def test_the_share_says_how_much_of_the_time_a_session_computed(idle: float) -> None:
    found = tuning.measure({Plan(1, 1, 1): [Spinner(idle)]}, (8, 6), Effort(5, 0.05))
    assert found.share <= 1.1 * (1 - idle)
    several = tuning.measure({Plan(1, 2, 1): [Spinner(idle)]}, (8, 6), Effort(1, 0.01))
    assert several.share == 1


@pytest.mark.parametrize(
    ("device", "cores", "threads", "layouts"),
    [
        (CPU, 2, 0, [(2, 1), (1, 2)]),
        (CPU, 12, 0, [(12, 1), (6, 2), (3, 4)]),
        (CPU, 8, 4, [(2, 4)]),
        (CPU, 2, 4, [(1, 4)]),
        (GPU, 16, 0, [(1, 1), (2, 1)]),
    ],
)
def test_layouts_use_all_cores(
    device: Device, cores: int, threads: int, layouts: list[tuple[int, int]]
) -> None:
    assert tuning.layouts(device, cores=cores, threads=threads) == layouts


def test_a_bundle_is_tuned_within_its_limits(tiny_bundle: Bundle) -> None:
    plan = tuning.tune(tiny_bundle, CPU, Tuning.QUICK, threads=1, max_batch=3).plan
    assert plan.threads == 1
    assert plan.batch in (1, 2, 3)
    assert plan.decodes, "there is a session for each core"
    two = tuning.tune(tiny_bundle, CPU, Tuning.QUICK, threads=hardware.cores() + 1, max_batch=1)
    assert not two.plan.decodes, "a session has threads of its own"


def test_without_tuning_one_session_gathers_batches() -> None:
    assert tuning.standard(CPU, threads=3, max_batch=8) == Plan(1, 3, 8)
