"""`seewhy score`, as a process of its own."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest

from seewhy.cli.exit_codes import ExitCode


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "seewhy", *map(str, arguments)]


def seewhy(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def photos(noisy_photos: Callable[[int, tuple[int, int]], Path]) -> Path:
    """300 photos that take some milliseconds each, and two that are none."""
    return noisy_photos(300, (200, 300))


def score(photos: Path, output: Path, repository: Path) -> list[str]:
    return command("score", photos, "-o", output, "--part-size", 20, "--repository", repository)


def table(output: Path) -> pd.DataFrame:
    found = pd.read_parquet(output)
    assert len(found) == found["input"].nunique()
    return found


@pytest.fixture(scope="module")
def whole(
    photos: Path, tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, float]:
    """The output of a run that nothing stopped, and the seconds of its work."""
    output = tmp_path_factory.mktemp("whole") / "out"
    process = subprocess.Popen(
        score(photos, output, tiny_repository),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(output / "_run.json")
    started = time.monotonic()
    assert process.wait() == ExitCode.PARTLY
    return output, time.monotonic() - started


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_every_image_is_a_row(whole: tuple[Path, float], photos: Path) -> None:
    found = table(whole[0])

    assert found["input"].tolist() == [path.name for path in sorted(photos.iterdir())]
    failed = found[found["error"].notna()]
    assert failed["input"].tolist() == ["100.png", "200.png"]
    assert failed["error"].str.partition(":")[0].tolist() == ["UnsupportedFormat", "EmptyImage"]
    summary = json.loads((whole[0] / "_summary.json").read_text("utf-8"))
    assert summary["images"] == 300
    assert summary["errors"] == {"UnsupportedFormat": 1, "EmptyImage": 1}
    assert sum(summary["confidence"]) == sum(summary["classes"].values()) == 298


@pytest.mark.slow
@pytest.mark.parametrize("seed", [pytest.param(0, marks=pytest.mark.smoke), *range(1, 20)])
def test_a_killed_run_ends_with_the_same_rows(
    seed: int, whole: tuple[Path, float], photos: Path, tiny_repository: Path, tmp_path: Path
) -> None:
    output, (expected, seconds) = tmp_path / "out", whole
    process = subprocess.Popen(
        score(photos, output, tiny_repository),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(output / "_run.json")
    time.sleep(random.Random(seed).uniform(0, seconds))  # noqa: S311
    process.send_signal(signal.SIGKILL)
    process.wait()

    again = subprocess.run(
        score(photos, output, tiny_repository), capture_output=True, text=True, check=False
    )

    assert again.returncode == ExitCode.PARTLY, again.stderr
    pd.testing.assert_frame_equal(table(output), table(expected), check_exact=True)
    left = {path.name for path in output.iterdir() if not path.name.startswith("part-")}
    assert left == {"_lock", "_run.json", "_summary.json"}


def test_a_store_may_hold_photos_and_results(
    whole: tuple[Path, float], photos: Path, tiny_repository: Path, s3: str
) -> None:
    output, store = f"{s3}/results", fsspec.filesystem("s3")
    for path in photos.glob("[01]*.png"):
        store.pipe_file(f"{s3}/in/{path.name}", path.read_bytes())
    arguments = [
        *command("score", f"{s3}/in", "-o", output, "--part-size", 20),
        *("--repository", str(tiny_repository)),
    ]

    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not store.exists(f"{output}/part-00001.parquet"):
        assert time.monotonic() < deadline
        store.invalidate_cache()
    process.kill()
    process.wait()
    assert not store.exists(f"{output}/_summary.json")
    again = subprocess.run(arguments, capture_output=True, text=True, check=False)

    assert again.returncode == ExitCode.PARTLY, again.stderr
    assert again.stdout.endswith(f"200 rows, 1 with an error, are in {output}\n")
    found, expected = pd.read_parquet(output), table(whole[0])[:200]
    assert found["path"].tolist() == [f"{s3}/in/{name}" for name in expected["input"]]
    pd.testing.assert_frame_equal(
        found.drop(columns="path"), expected.drop(columns="path"), check_exact=True
    )


def test_a_full_disk_leaves_what_was_finished(
    photos: Path, tiny_repository: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    arguments = [*score(photos, output, tiny_repository), "--embedding"]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    stopped = subprocess.run(
        arguments, capture_output=True, text=True, check=False, preexec_fn=limit
    )

    assert stopped.returncode == ExitCode.FAILED
    assert len(stopped.stderr.splitlines()) == 1
    assert "part-00000.parquet cannot be written: File too large" in stopped.stderr
    assert not list(output.glob("part-*"))
    assert subprocess.run(arguments, capture_output=True, check=False).returncode == 3
    assert len(table(output)) == 300


def test_a_bundle_that_vanished_is_told(
    photos: Path, tiny_repository: Path, tmp_path: Path
) -> None:
    repository, output = tmp_path / "repository", tmp_path / "out"
    shutil.copytree(tiny_repository, repository)
    (repository / "tiny" / "1" / "weights.bin").unlink()

    stopped = seewhy("score", photos, "-o", output, "--repository", repository)

    assert stopped.returncode == ExitCode.FAILED
    assert stopped.stderr == "seewhy: tiny version 1: weights.bin is missing\n"


def test_another_bundle_is_refused(photos: Path, tiny_repository: Path, tmp_path: Path) -> None:
    one, output = photos / "000.png", tmp_path / "out"
    assert seewhy("score", one, "-o", output, "--repository", tiny_repository).returncode == 0

    refused = seewhy("score", one, "-o", output)

    assert refused.returncode == ExitCode.FAILED
    assert "holds the results of another run: model was tiny 1" in refused.stderr
    assert len(table(output)) == 1


def test_the_answers_are_those_of_classify(tmp_path: Path) -> None:
    samples = sorted((Path(__file__).parents[4] / "docs" / "samples").glob("*.jpg"))
    listing = tmp_path / "list.txt"
    listing.write_text("\n".join(map(str, samples)), encoding="utf-8")

    assert seewhy("score", listing, "-o", tmp_path / "out").returncode == ExitCode.DONE
    classified = seewhy("classify", "--json", *samples)

    found = table(tmp_path / "out")
    answers = [json.loads(line) for line in classified.stdout.splitlines()]
    assert found["path"].tolist() == [answer["file"] for answer in answers]
    for row, answer in zip(found["top_k"], answers, strict=True):
        expected = answer["predictions"]
        assert [each["label"] for each in row] == [each["label"] for each in expected]
        np.testing.assert_allclose(
            [each["probability"] for each in row],
            [each["probability"] for each in expected],
            rtol=1e-4,
        )


def test_json_lines_and_a_summary_in_json(
    photos: Path, tiny_repository: Path, tmp_path: Path
) -> None:
    done = seewhy(
        "score", f"{photos}/10*.png", "-o", tmp_path / "out", "--jsonl", "--json", "--top-k", 1,
        "--repository", tiny_repository,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (ExitCode.PARTLY, "")
    assert json.loads(done.stdout)["images"] == 10
    (part,) = (tmp_path / "out").glob("part-*.jsonl")
    found = [json.loads(line) for line in part.read_text("utf-8").splitlines()]
    assert [row["input"] for row in found] == [f"10{digit}.png" for digit in range(10)]
    assert [len(row["top_k"]) for row in found[1:]] == [1] * 9


def test_a_folder_that_may_not_be_written_is_told(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    if os.access(tmp_path / "closed", os.W_OK):
        pytest.skip("this user may write everywhere")

    stopped = seewhy("score", photos, "-o", tmp_path / "closed" / "out")

    assert stopped.returncode == ExitCode.FAILED
    assert "cannot be written: Permission denied" in stopped.stderr


def test_options_of_a_cluster_need_its_engine(photos: Path, tmp_path: Path) -> None:
    stopped = seewhy("score", photos, "-o", tmp_path / "out", "--ray-actors", 2)

    assert stopped.returncode == ExitCode.USAGE
    assert "need --engine ray" in stopped.stderr
    assert not (tmp_path / "out").exists()
