import pytest

from models.errors import InvalidRequest, Overloaded
from service.core.admission import Backlog


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
    backlog.leave(seconds=0.1)
    assert backlog.inside == 0
    backlog.enter()
    assert backlog.inside == 1


def test_the_time_to_come_back_is_what_the_work_inside_takes() -> None:
    backlog = Backlog("test", capacity=8, workers=2)
    backlog.enter(4)
    backlog.leave(4, seconds=2.0)
    backlog.enter(8)
    with pytest.raises(Overloaded) as refused:
        backlog.enter(1)
    assert refused.value.retry_after == pytest.approx(8 * 0.5 / 2)


def test_work_that_was_never_begun_says_nothing_about_the_pace() -> None:
    backlog = Backlog("test", capacity=1)
    backlog.enter()
    backlog.leave()
    backlog.enter()
    with pytest.raises(Overloaded) as refused:
        backlog.enter()
    assert refused.value.retry_after == 0
