import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models import bundle as bundles
from models.bundle import Bundle
from models.manifest import Graph
from service.runtime import caches, engines
from service.runtime.providers import Device, Provider, choose

TENSORRT = choose(Provider.TENSORRT, lambda _: None)
FIRST = "TensorrtExecutionProvider"


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def bundle(tiny_bundle: Bundle, tmp_path: Path) -> Bundle:
    shutil.copytree(tiny_bundle.directory, tmp_path / "repository" / "tiny" / "1")
    return bundles.read(tmp_path / "repository" / "tiny" / "1")


def remembering(
    device: Device,
    bundle: Bundle,
    graph: Graph = Graph.MODEL,
    *,
    version: int = 101300,
    name: str = "a GPU",
) -> Device:
    return engines.remembering(device, bundle, graph, version=lambda: version, name=lambda _: name)


def options(device: Device) -> dict[str, Any]:
    return dict(device.options)[FIRST]


def folder(device: Device) -> Path:
    return Path(options(device)["trt_engine_cache_path"])


def changed(bundle: Bundle) -> Bundle:
    """The next version, whose graphs have the same structure and other weights."""
    other = bundle.directory.parent / "2"
    shutil.copytree(bundle.directory, other)
    with (other / "weights.bin").open("ab") as file:
        file.write(b"x")
    fields = bundle.manifest.model_dump(mode="json", exclude={"sha256"})
    return bundles.write_manifest(other, {**fields, "version": 2})


def test_engines_and_their_timings_are_kept_beside_the_plans(bundle: Bundle) -> None:
    found = remembering(TENSORRT, bundle)
    assert folder(found).is_dir()
    assert folder(found).is_relative_to(bundle.directory.parent / caches.FOLDER)
    assert options(found)["trt_timing_cache_path"] == options(found)["trt_engine_cache_path"]
    assert options(found)["trt_engine_cache_enable"] is True
    assert options(found)["trt_timing_cache_enable"] is True


def test_the_next_start_finds_them(bundle: Bundle) -> None:
    assert remembering(TENSORRT, bundle) == remembering(TENSORRT, bundle)


def test_gpus_of_one_kind_share_them(bundle: Bundle) -> None:
    first, second = (remembering(TENSORRT.on(number), bundle) for number in (0, 1))
    assert folder(first) == folder(second)
    assert (options(first)["device_id"], options(second)["device_id"]) == (0, 1)


@pytest.mark.parametrize(
    "other",
    [
        lambda bundle: remembering(TENSORRT, changed(bundle)),
        lambda bundle: remembering(TENSORRT, bundle, Graph.CAM),
        lambda bundle: remembering(TENSORRT, bundle, version=101400),
        lambda bundle: remembering(TENSORRT, bundle, name="another GPU"),
        lambda bundle: remembering(TENSORRT.with_options(FIRST, {"trt_fp16_enable": True}), bundle),
    ],
    ids=["weights", "graph", "TensorRT", "GPU", "options"],
)
def test_what_an_engine_depends_on_has_it_built_again(
    bundle: Bundle, other: Callable[[Bundle], Device]
) -> None:
    assert folder(other(bundle)) != folder(remembering(TENSORRT, bundle))


def test_another_onnxruntime_has_them_built_again(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = folder(remembering(TENSORRT, bundle))
    monkeypatch.setattr("onnxruntime.__version__", "99.0")
    assert folder(remembering(TENSORRT, bundle)) != before


def test_engines_that_round_are_none_for_a_start_that_does_not(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(engines.TF32, raising=False)
    before = folder(remembering(TENSORRT, bundle))
    monkeypatch.setenv(engines.TF32, "0")
    assert folder(remembering(TENSORRT, bundle)) != before


def test_beside_a_repository_that_cannot_be_written_the_user_s_cache_keeps_them(
    bundle: Bundle, tmp_path: Path
) -> None:
    # A file in the folder's place: it stops the superuser too.
    (bundle.directory.parent / caches.FOLDER).write_text("")
    assert folder(remembering(TENSORRT, bundle)).is_relative_to(tmp_path / "cache")


def test_where_nothing_can_be_written_the_log_says_so(
    bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (bundle.directory.parent / caches.FOLDER).write_text("")
    (tmp_path / "cache").write_text("")
    assert remembering(TENSORRT, bundle) == TENSORRT
    assert "will be built again at the next start" in caplog.text


@pytest.mark.parametrize("provider", [Provider.CPU, Provider.CUDA])
def test_other_providers_have_no_engines(bundle: Bundle, provider: Provider) -> None:
    device = choose(provider, lambda _: None)
    assert remembering(device, bundle) is device
    assert not (bundle.directory.parent / caches.FOLDER).exists()
