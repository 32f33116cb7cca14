"""The prediction log as a file to learn from, read by pandas and by training."""

import json
import tracemalloc
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from seewhy.cli import run
from service.predictions.store import Answered, Store
from training.data import table


def png(shade: int) -> bytes:
    data = BytesIO()
    Image.new("L", (8, 8), shade).save(data, "PNG")
    return data.getvalue()


def answered(number: int, image: bytes) -> Answered:
    answer = {"predictions": [{"label": "cat", "index": 0, "probability": 0.75}]}
    return Answered(f"r{number}/0", 1.5 + number, "pets", 1, image, answer)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Four answers, the first and the last about the same image; all but the third labelled."""
    path = tmp_path / "log.sqlite"
    store = Store(path, keep_images=True)
    store.append([answered(number, png(number % 3)) for number in range(4)])
    for number, label in ((0, "dog"), (1, "cat"), (3, "cat")):
        store.label(f"r{number}/0", label)
    store.close()
    return path


def test_every_answer_is_a_row(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "all.parquet"

    assert run(["log", "export", str(log), "-o", str(output)]) == 0

    assert capsys.readouterr().out == f"4 rows are in {output}\n"
    found = pd.read_parquet(output)
    assert found["image_id"].tolist() == ["r0/0", "r1/0", "r2/0", "r3/0"]
    assert found["label"].fillna("?").tolist() == ["dog", "cat", "?", "cat"]
    assert found["path"].isna().all()
    assert found["time"][0] == pd.Timestamp("1970-01-01 00:00:01.5", tz="UTC")
    assert found["sha256"][1] == sha256(png(1)).hexdigest()
    assert (found["predicted"] == "cat").all()
    assert json.loads(found["answer"][0])["predictions"][0]["probability"] == 0.75


def test_labelled_images_can_be_learned_from(log: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "labelled.parquet"
    output.parent.mkdir()

    assert run(["log", "export", str(log), "-o", str(output), "--images", str(tmp_path / "p")]) == 0

    data = table.read(output)
    found = {sample.read(): data.labels[sample.label] for sample in data.samples}
    assert found == {png(0): "cat", png(1): "cat"}  # the last label of an image is the one


@pytest.mark.parametrize("options", [[], ["--images", "photos"]], ids=["answers", "images"])
def test_no_more_than_a_few_images_are_in_memory_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store(Path("log.sqlite"), keep_images=True)
    for number in range(40):
        store.append([answered(number, png(number) + bytes(1_000_000))])
        store.label(f"r{number}/0", "cat")
    store.close()
    export = ["log", "export", "log.sqlite", "-o", "out.parquet", *options]
    assert run(export) == 0  # imports what it needs

    tracemalloc.start()
    assert run(export) == 0
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(pd.read_parquet("out.parquet")) == 40
    assert peak < 10_000_000


def test_where_no_image_was_kept_there_is_nothing_to_learn_from(tmp_path: Path) -> None:
    path, output = tmp_path / "log.sqlite", tmp_path / "none.parquet"
    store = Store(path, keep_images=False)
    store.append([answered(0, png(0))])
    store.label("r0/0", "cat")
    store.close()

    assert run(["log", "export", str(path), "-o", str(output), "--images", str(tmp_path)]) == 0
    assert pd.read_parquet(output).empty


def test_a_log_is_not_replaced_by_its_own_rows(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link, before = tmp_path / "link.parquet", log.read_bytes()
    link.symlink_to(log)

    for output in (log, link):
        assert run(["log", "export", str(log), "-o", str(output)]) == 1
        assert "is the prediction log itself" in capsys.readouterr().err
    assert log.read_bytes() == before


@pytest.mark.parametrize("content", [None, b"a diary" * 1000])
def test_what_is_no_log_is_one_line(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output = tmp_path / "log.sqlite", tmp_path / "out.parquet"
    if content is not None:
        path.write_bytes(content)

    assert run(["log", "export", str(path), "-o", str(output)]) == 1

    assert capsys.readouterr().err.startswith("seewhy: ")
    assert not output.exists()
