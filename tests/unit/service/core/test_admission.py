"""Time is the test's: each backlog reads a clock that stands until it is moved."""

import pytest

from models.errors import InvalidRequest, Overloaded
from service.core.admission import Backlog
from service.core.demand import Demand


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def paced(clock: Clock, *, seconds: float, capacity: int = 100) -> Backlog:
    """An empty backlog that work has left at one piece in so many seconds."""
    backlog = Backlog("test", capacity=capacity, clock=clock)
    for _ in range(200):
        backlog.enter()
        clock.now += seconds
        backlog.leave()
    return backlog


def test_work_is_let_in_up_to_the_capacity() -> None:
    backlog = Backlog("test", capacity=3)
    backlog.enter(2)
    backlog.enter(1)
    with pytest.raises(Overloaded, match="3 of at most 3"):
        backlog.enter(1)
    assert backlog.inside == 3


def test_what_can_never_be_let_in_is_not_told_to_come_back() -> None:
    backlog = Backlog("test", capacity=3)
    with pytest.raises(InvalidRequest, match="4 at once are more than the 3 allowed"):
        backlog.enter(4)
    assert backlog.inside == 0


def test_work_that_is_done_makes_room() -> None:
    backlog = Backlog("test", capacity=1)
    backlog.enter()
    backlog.leave()
    assert backlog.inside == 0
    backlog.enter()
    assert backlog.inside == 1


def test_the_time_to_come_back_is_what_the_work_inside_takes(clock: Clock) -> None:
    backlog = paced(clock, seconds=0.5, capacity=8)
    backlog.enter(8)
    with pytest.raises(Overloaded) as refused:
        backlog.enter(1)
    assert refused.value.retry_after == pytest.approx(8 * 0.5)


def test_several_workers_show_in_the_pace(clock: Clock) -> None:
    backlog = Backlog("test", capacity=8, clock=clock)
    backlog.enter(8)
    for _ in range(100):  # two workers: two pieces leave every second
        clock.now += 1.0
        backlog.leave(2)
        backlog.enter(2)
    with pytest.raises(Overloaded) as refused:
        backlog.enter(1)
    assert refused.value.retry_after == pytest.approx(8 * 0.5)


def test_idle_time_does_not_count_as_work(clock: Clock) -> None:
    backlog = paced(clock, seconds=0.5, capacity=8)
    clock.now += 3600
    backlog.enter()
    clock.now += 0.5
    backlog.leave()
    backlog.enter(8)
    with pytest.raises(Overloaded) as refused:
        backlog.enter(1)
    assert refused.value.retry_after == pytest.approx(8 * 0.5)


def test_who_would_wait_longer_than_it_can_is_refused(clock: Clock) -> None:
    backlog = paced(clock, seconds=0.5)
    backlog.enter(10)
    backlog.enter(1, Demand(deadline=clock.now + 7))
    with pytest.raises(Overloaded, match=r"11 are waiting, 5\.5 s of work") as refused:
        backlog.enter(1, Demand(deadline=clock.now + 6))
    assert refused.value.retry_after == pytest.approx(5.5 - 0.8 * 6)


def test_an_empty_backlog_lets_in_even_what_takes_longer_than_it_can(clock: Clock) -> None:
    backlog = paced(clock, seconds=10)
    backlog.enter(1, Demand(deadline=clock.now + 1))
    assert backlog.inside == 1


def test_what_comes_too_late_is_not_too_much_to_do(clock: Clock) -> None:
    backlog = paced(clock, seconds=0.5)
    backlog.enter(1, Demand(deadline=clock.now - 1))
    assert backlog.inside == 1


def test_work_that_was_never_begun_says_nothing_about_the_pace(clock: Clock) -> None:
    backlog = paced(clock, seconds=0.5, capacity=8)
    backlog.enter(8)
    clock.now += 0.5
    for _ in range(7):
        backlog.leave(done=False)
    backlog.leave()
    backlog.enter(8)
    with pytest.raises(Overloaded) as refused:
        backlog.enter()
    assert refused.value.retry_after == pytest.approx(8 * 0.5)


def test_work_that_a_worker_takes_up_at_once_waits_for_nothing(clock: Clock) -> None:
    backlog = Backlog("test", capacity=8, workers=3, clock=clock)
    backlog.enter()
    clock.now += 300
    backlog.leave()
    soon = Demand(deadline=clock.now + 30)
    for _ in range(3):
        backlog.enter(1, soon)
    with pytest.raises(Overloaded) as refused:
        backlog.enter(1, soon)
    assert refused.value.retry_after == pytest.approx(300 - 0.8 * 30)


def test_room_is_held_until_each_piece_is_done_and_given_back_where_it_fails(clock: Clock) -> None:
    backlog = Backlog("test", capacity=2, clock=clock)
    with backlog.hold(2, Demand()) as done:
        assert backlog.inside == 2
        done()
        assert backlog.inside == 1
    with pytest.raises(ZeroDivisionError), backlog.hold(2, Demand()):
        raise ZeroDivisionError
    assert backlog.inside == 0


def test_only_pieces_that_are_done_make_the_pace(clock: Clock) -> None:
    backlog = Backlog("test", capacity=8, clock=clock)
    with backlog.hold(2, Demand()) as done:
        clock.now += 0.5
        done()
        clock.now += 300  # what else the request asks for
    backlog.enter(8)
    with pytest.raises(Overloaded) as refused:
        backlog.enter()
    assert refused.value.retry_after == pytest.approx(8 * 0.5)
