"""`seewhy score --engine ray` on a cluster of two nodes, both on this machine."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seewhy.cli.exit_codes import ExitCode

pytestmark = pytest.mark.slow

PART = 10


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a cluster of two nodes with one core each: two actors, one a node."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    node = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # The nodes' processes import what this one does.
        environment.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=node)
        cluster.add_node(**node)
        yield cluster.address
        cluster.shutdown()


@pytest.fixture(scope="module")
def photos(noisy_photos: Callable[[int, tuple[int, int]], Path]) -> Path:
    """600 photos, of which two are none."""
    return noisy_photos(600, (400, 600))


def score(source: object, output: Path, repository: Path, *more: object) -> list[str]:
    options = ("-o", output, "--part-size", PART, "--repository", repository, "--embedding", *more)
    return [sys.executable, "-m", "seewhy", "score", str(source), *map(str, options)]


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def local(
    photos: Path, tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> pd.DataFrame:
    """What this machine makes of the photos by itself."""
    output = tmp_path_factory.mktemp("local") / "out"
    assert run(score(photos, output, tiny_repository)).returncode == ExitCode.PARTLY
    return pd.read_parquet(output)


def assert_same(output: Path, expected: pd.DataFrame) -> None:
    found = pd.read_parquet(output)
    assert len(found) == found["input"].nunique()
    numbers = ["probability", "top_k", "embedding"]
    pd.testing.assert_frame_equal(
        found.drop(columns=numbers), expected.drop(columns=numbers), check_exact=True
    )
    np.testing.assert_allclose(found["probability"], expected["probability"], rtol=0, atol=1e-5)
    good = expected["error"].isna()
    np.testing.assert_allclose(
        np.stack(found["embedding"][good]), np.stack(expected["embedding"][good]), atol=1e-5
    )
    for one, other in zip(found["top_k"][good], expected["top_k"][good], strict=True):
        assert [each["label"] for each in one] == [each["label"] for each in other]


def ray(address: str, *more: object) -> tuple[object, ...]:
    return ("--engine", "ray", "--ray-address", address, *more)


@pytest.mark.smoke
def test_a_cluster_makes_the_rows_of_one_machine(
    address: str, photos: Path, local: pd.DataFrame, tiny_repository: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"

    done = run(score(photos, output, tiny_repository, *ray(address)))

    assert done.returncode == ExitCode.PARTLY, done.stderr
    assert_same(output, local)
    summary = json.loads((output / "_summary.json").read_text("utf-8"))
    assert summary["errors"] == {"UnsupportedFormat": 1, "EmptyImage": 1}
    assert len(summary["slowest"]) == 10


def actors() -> list[int]:
    """The processes of this machine that score for Ray."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            title = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::") and b"MapWorker" in title:
            found.append(int(process.name))
    return found


def test_a_worker_that_is_killed_loses_nothing(
    address: str, photos: Path, local: pd.DataFrame, tiny_repository: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    process = subprocess.Popen(
        score(photos, output, tiny_repository, *ray(address)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 240
    while len(list(output.glob("part-*"))) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    victim = actors()[0]
    os.kill(victim, signal.SIGKILL)
    assert not (output / "_summary.json").exists()

    _, told = process.communicate()

    assert process.returncode == ExitCode.PARTLY, told
    assert_same(output, local)


def test_a_cluster_goes_on_where_one_machine_stopped(
    address: str, photos: Path, local: pd.DataFrame, tiny_repository: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    assert run(score(photos, output, tiny_repository)).returncode == ExitCode.PARTLY
    for part in output.glob("part-*[13579].parquet"):
        part.unlink()
    (photos / "100.png").rename(tmp_path / "kept")
    (photos / "100.png").write_bytes((photos / "101.png").read_bytes())

    try:
        done = run(score(photos, output, tiny_repository, *ray(address, "--retry-errors")))
    finally:
        (tmp_path / "kept").replace(photos / "100.png")

    assert done.returncode == ExitCode.PARTLY, done.stderr
    found = pd.read_parquet(output)
    assert found["error"].notna().sum() == 1
    assert_same_but(found, local, "100.png")


def assert_same_but(found: pd.DataFrame, expected: pd.DataFrame, mended: str) -> None:
    assert found["input"].tolist() == expected["input"].tolist()
    others = expected["input"] != mended
    assert found["label"][others].equals(expected["label"][others])
    assert found["label"][~others].notna().all()


def test_what_an_actor_cannot_do_is_told_in_one_line(
    address: str, tiny_repository: Path, tmp_path: Path
) -> None:
    listing = tmp_path / "list.txt"
    listing.write_text("gs://bucket/1.png", encoding="utf-8")

    stopped = run(score(listing, tmp_path / "out", tiny_repository, *ray(address)))

    assert stopped.returncode == ExitCode.FAILED
    # Ray's core says of every actor pool that its arguments may be lost; nothing can stop it.
    lines = [line for line in stopped.stderr.splitlines() if "core_worker.cc" not in line]
    assert lines == [
        "seewhy: gs:// needs gcsfs, which is not installed: run pip install 'seewhy[cloud]' gcsfs"
    ]


def test_a_cluster_that_is_not_there_is_told(
    photos: Path, tiny_repository: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray")

    stopped = run(score(photos, tmp_path / "out", tiny_repository, *ray("127.0.0.1:1")))

    assert stopped.returncode == ExitCode.FAILED
    assert stopped.stderr == "seewhy: Ray: 127.0.0.1:1 does not answer: Connection refused\n"


def test_a_cluster_without_room_is_told(
    address: str, photos: Path, tiny_repository: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    stopped = run(score(photos, out, tiny_repository, *ray(address, "--ray-cpus", 64)))

    assert stopped.returncode == ExitCode.FAILED
    assert stopped.stderr == (
        "seewhy: Ray: no room for an actor with 64 cores and 0 GPUs; the cluster has 2 and 0\n"
    )
