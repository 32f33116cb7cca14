"""Images in a CSV or Parquet table."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from models.errors import DataError
from training.data import sources
from training.data.dataset import Split

Save = Callable[[str, Image.Image], Path]

ROWS = [
    {"path": "b/2.png", "label": "07", "split": "train"},
    {"path": "./a/1.png", "label": "7", "split": "train"},
    {"path": "b/3.png", "label": "07", "split": "valid"},
]


@pytest.fixture
def folder(tmp_path: Path, save: Save, noise: Image.Image) -> Path:
    for name in ("a/1.png", "b/2.png", "b/3.png"):
        save(name, noise)
    return tmp_path


def write_csv(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_parquet(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    columns = {name: pa.array([row[name] for row in rows]) for name in rows[0]}
    # What pandas calls a category is stored as a dictionary, a type of its own.
    columns["label"] = columns["label"].dictionary_encode()
    parquet.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(("write", "name"), [(write_csv, "p.CSV"), (write_parquet, "p.parquet")])
def test_a_row_is_an_image(
    folder: Path, write: Callable[[Path, Sequence[dict[str, str]]], Path], name: str
) -> None:
    found = sources.read(write(folder / name, ROWS))

    assert found.labels == ("07", "7")  # text: the leading nought stays
    assert [(sample.id, sample.label, sample.split) for sample in found.samples] == [
        ("b/2.png", 0, Split.TRAIN),
        ("a/1.png", 1, Split.TRAIN),
        ("b/3.png", 0, Split.VALIDATION),
    ]
    assert found.samples[1].read() == (folder / "a" / "1.png").read_bytes()


def test_a_table_need_not_split(folder: Path) -> None:
    rows = [{"author": "me", "label": row["label"], "path": row["path"]} for row in ROWS]

    found = sources.read(write_csv(folder / "photos.csv", rows))

    assert {sample.split for sample in found.samples} == {None}


def test_a_number_is_a_label(folder: Path) -> None:
    path = folder / "photos.parquet"
    parquet.write_table(pa.table({"path": ["a/1.png", "b/2.png"], "label": [10, 9]}), path)

    assert sources.read(path).labels == ("10", "9")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na/1.png,x\n", "needs one column path; its columns are file, label"),
        ("path,label,path\na/1.png,x,y\n", "needs one column path"),
        ("path,label\na/1.png,\n", "image 1 has no label"),
        ("path,label,split\na/1.png,x,train\nb/2.png,y,\n", "image 2 has no split"),
        ("path,label,split\na/1.png,x,dev\n", "no split is called dev; there are train, val"),
        ("path,label\na/9.png,x\na/8.png,y\n", "lists a/9.png, which is not there, and no image"),
        ("path,label\na/1.png,x\n./a/1.png,y\n", "lists a/1.png more than once"),
        ("path,label\na/1.png,x\n", ": 1; two are the least"),
        ("path,label\n", ": 0; two are the least"),
        ("path,label,split\na/1.png,x,train\nb/2.png,y,val\n", "class y has no image to train on"),
        ("path,label\na/1.png\n", "cannot be read: CSV parse error"),
        ('path,label\n"a\nb",x,y\n', "cannot be read: CSV parse error: Expected 2 columns, got 3"),
        ("", "cannot be read: Empty CSV file"),
    ],
)
def test_what_cannot_be_learned_from_is_named(folder: Path, text: str, message: str) -> None:
    manifest = folder / "photos.csv"
    manifest.write_text(text, encoding="utf-8")

    with pytest.raises(DataError, match=message) as raised:
        sources.read(manifest)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"path,label\n", b"PAR1 but cut off PAR1"])
def test_a_broken_parquet_file_is_named(folder: Path, content: bytes) -> None:
    manifest = folder / "photos.parquet"
    manifest.write_bytes(content)

    with pytest.raises(DataError, match=r"photos\.parquet cannot be read: ") as raised:
        sources.read(manifest)
    assert "\n" not in str(raised.value)
