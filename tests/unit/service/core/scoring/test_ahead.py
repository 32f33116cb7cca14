"""Calls in threads, ahead of what uses their results."""

import threading
from collections.abc import Iterator

from service.core.scoring.ahead import ahead


def test_results_come_in_order_and_few_arguments_are_taken_ahead() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = ahead(lambda number: -number, numbers(), threads=3, most=7)
    for number in range(100):
        assert next(results) == -number
        assert len(taken) <= number + 1 + 7


def test_calls_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=10)

    assert len(list(ahead(lambda _: meeting.wait(), range(4), threads=2, most=4))) == 4
