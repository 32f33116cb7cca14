"""Settings: from the environment, within their ranges, and in agreement."""

import pytest

from service.settings import Settings


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEWHY_MAX_IMAGES", "7")
    monkeypatch.setenv("SEEWHY_PROVIDER", "cpu")
    settings = Settings()
    assert (settings.max_images, settings.provider) == (7, "cpu")


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "70000"), ("PROVIDER", "rocm"), ("MAX_BATCH", "0"), ("MAX_PIXELS", "200000000")],
)
def test_settings_out_of_range_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"SEEWHY_{name}", value)
    with pytest.raises(ValueError, match=name.lower()):
        Settings()


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEWHY_REPOSITRY", "/srv/models")
    with pytest.raises(ValueError, match="SEEWHY_REPOSITRY is no setting"):
        Settings()


def test_a_queue_that_the_largest_request_never_fits_is_refused() -> None:
    with pytest.raises(ValueError, match=r"queue_size\n.*at least max_images, 32"):
        Settings(queue_size=8)
    with pytest.raises(ValueError, match=r"queue_size\n.*at least max_images, 300"):
        Settings(max_images=300)
    assert Settings(queue_size=8, max_images=8).queue_size == 8
