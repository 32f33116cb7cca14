import time
from concurrent.futures import CancelledError

import pytest

from models.errors import DeadlineExceeded
from service.core.demand import Demand


def test_a_stage_is_not_begun_after_the_deadline() -> None:
    Demand(deadline=time.perf_counter() + 60).check()
    with pytest.raises(DeadlineExceeded, match="timeout_ms"):
        Demand(deadline=time.perf_counter() - 0.001).check()


def test_a_stage_is_not_begun_for_nobody() -> None:
    demand = Demand()
    demand.check()
    demand.abandoned.set()
    with pytest.raises(CancelledError):
        demand.check()


def test_a_change_of_the_system_time_moves_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    demand = Demand(deadline=time.perf_counter() + 60)
    for jump in (-1e6, 1e6):
        monkeypatch.setattr(time, "time", lambda jump=jump: jump)
        demand.check()
        assert 59 < demand.remaining < 60
