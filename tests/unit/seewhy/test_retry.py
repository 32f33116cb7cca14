import httpx
import pytest

from seewhy.retry import pause


def response(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers={"Retry-After": "2"} | headers)


def test_a_busy_service_is_asked_again_when_it_says() -> None:
    assert pause(response(503), remaining=10) == 2


def test_fractions_of_a_second_are_understood() -> None:
    assert pause(response(503, **{"Retry-After": "0.25"}), remaining=10) == 0.25


@pytest.mark.parametrize("status", [200, 400, 413, 500])
def test_no_other_answer_is_asked_for_again(status: int) -> None:
    assert pause(response(status), remaining=10) is None


def test_a_wait_beyond_the_time_left_is_not_begun() -> None:
    assert pause(response(503), remaining=2) is None


@pytest.mark.parametrize("value", ["", "soon", "-1", "nan", "inf"])
def test_a_retry_after_that_is_no_number_of_seconds_is_not_followed(value: str) -> None:
    assert pause(response(503, **{"Retry-After": value}), remaining=10) is None


def test_without_retry_after_there_is_no_retry() -> None:
    assert pause(httpx.Response(503), remaining=10) is None
