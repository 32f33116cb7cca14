"""What a user installs: the wheel and the locked requirements."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = {
    name: (ROOT / "requirements" / f"{name}.txt").read_text() for name in ("serving", "gpu", "all")
}


def pinned(lock: str) -> dict[str, str]:
    """Version by package, of a lock."""
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock, re.MULTILINE))


def test_the_wheel_carries_every_room_the_pages_and_the_default_bundle(tmp_path: Path) -> None:
    build = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([sys.executable, "-m", *build, tmp_path, ROOT], check=True, timeout=120)
    (wheel,) = tmp_path.glob("seewhy-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())

    bundle = ROOT / "models" / "zoo" / "efficientnet_lite0" / "1"
    assert {file.relative_to(ROOT).as_posix() for file in bundle.iterdir()} <= names
    for room in ("models", "seewhy", "service", "training"):
        sources = {file.relative_to(ROOT).as_posix() for file in (ROOT / room).rglob("*.py")}
        assert sources
        assert sources <= names
    pages = {f for f in (ROOT / "service" / "web").rglob("*") if f.is_file()}
    assert {file.relative_to(ROOT).as_posix() for file in pages} <= names
    assert not [name for name in names if name.startswith("tests/")]


def test_the_locks_agree() -> None:
    serving, everything = pinned(LOCKS["serving"]), pinned(LOCKS["all"])

    assert serving
    assert serving.items() <= pinned(LOCKS["gpu"]).items()
    assert serving.items() <= everything.items()
    assert pinned(LOCKS["gpu"]).items() <= everything.items()


def test_what_serves_is_locked_without_torch() -> None:
    for name in ("serving", "gpu"):
        assert {"torch", "timm", "onnx"} & pinned(LOCKS[name]).keys() == set()
    assert "torch" in pinned(LOCKS["all"])


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_every_locked_package_has_hashes_and_no_host_is_named(lock: str) -> None:
    entries = re.split(r"\n(?=[a-z0-9])", lock)[1:]

    assert len(entries) == len(pinned(lock))
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"://|--index|--find-links|file:", lock)
