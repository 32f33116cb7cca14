"""What a user can name, and what comes of it."""

import tarfile
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from models.errors import DataError
from service.core.scoring import inputs
from service.core.scoring.inputs import Source

Photo = Callable[[int], bytes]


def write_shard(path: Path, *contents: bytes) -> Path:
    with tarfile.open(path, "w") as archive:
        for number, content in enumerate(contents):
            for name, data in ((f"{number:03d}.png", content), (f"{number:03d}.cls", b"0")):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, BytesIO(data))
    return path


def contents(source: Source) -> list[bytes]:
    found = list(inputs.read(source))
    assert len(found) == inputs.survey(source).images
    assert len({item.id for item in found}) == len(found)
    return [item.read(10**6) for item in found]


def test_a_folder_is_read_in_the_order_of_its_paths(folder: Path) -> None:
    source = Source(str(folder))

    assert contents(source) == [path.read_bytes() for path in sorted(folder.iterdir())]
    first = next(inputs.read(source))
    assert (first.id, first.path) == ("0.png", f"{folder}/0.png")


def test_a_glob_names_what_follows_its_plain_part(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "1.png").write_bytes(b"deep")

    # The second pattern matches each file by several ways.
    for pattern in ("**/[1-2].png", "**/**/[1-2].png"):
        found = list(inputs.read(Source(f"{folder}/{pattern}")))

        assert [item.id for item in found] == ["1.png", "2.png", "deep/1.png"]


def test_shards_are_read_where_they_stand(tmp_path: Path, photo: Photo) -> None:
    photos = [photo(number) for number in range(5)]
    (tmp_path / "shards").mkdir()
    write_shard(tmp_path / "shards" / "a.tar", *photos[:3])
    shard = write_shard(tmp_path / "shards" / "b.tar", *photos[3:])

    for named in (tmp_path / "shards", tmp_path / "shards" / "*.tar"):
        assert contents(Source(str(named))) == photos
    found = list(inputs.read(Source(str(shard))))
    assert [(item.id, item.path) for item in found] == [
        ("b.tar#0", f"{shard}/000.png"),
        ("b.tar#1", f"{shard}/001.png"),
    ]


def test_a_dot_in_a_members_name_loses_no_image(tmp_path: Path, photo: Photo) -> None:
    names = ["holiday/10.15.png", "._10.15.png", "0001.seg.png", "0001.cls"]
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for number, name in enumerate(names):
            member = tarfile.TarInfo(name)
            member.size = len(photo(number))
            archive.addfile(member, BytesIO(photo(number)))

    assert contents(Source(str(tmp_path / "x.tar"))) == [photo(0), photo(2)]


def test_a_list_may_name_an_image_twice(folder: Path) -> None:
    listing = folder / "list.txt"
    listing.write_bytes(b"1.png\r\n\n2.png\n1.png")

    one, two = ((folder / f"{number}.png").read_bytes() for number in (1, 2))
    assert contents(Source(str(listing))) == [one, two, one]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_table_has_paths_relative_to_itself(folder: Path, form: str) -> None:
    # A number among words, further down than types are guessed from, is no error.
    table = pd.DataFrame({"image": ["1.png", "2.png"], "note": ["7", "x"]})
    path = folder / f"table.{form}"
    table.to_csv(path) if form == "csv" else table.to_parquet(path)
    source = Source(str(path), "image")

    assert contents(source) == [(folder / f"{number}.png").read_bytes() for number in (1, 2)]
    assert [item.id for item in inputs.read(source)] == [f"table.{form}#0", f"table.{form}#1"]


def test_other_columns_may_have_lines(folder: Path) -> None:
    notes = ["one line\nand another"] * 100_000  # more than is read at a time
    table = pd.DataFrame({"note": notes, "path": ["1.png"] * len(notes)})
    table.to_csv(folder / "table.csv", index=False)

    assert inputs.survey(Source(str(folder / "table.csv"))).images == len(notes)


def test_a_table_is_read_a_few_images_at_a_time(tmp_path: Path) -> None:
    size, number = 10_000, 3_000
    table = pa.table({"path": [bytes([row % 256]) * size for row in range(number)]})
    one_group: dict[str, Any] = {"use_dictionary": False, "compression": "none"}
    parquet.write_table(table, tmp_path / "t.parquet", write_batch_size=10, **one_group)

    tracemalloc.start()
    try:
        assert sum(1 for _ in inputs.read(Source(str(tmp_path / "t.parquet")))) == number
        _, most = tracemalloc.get_traced_memory()  # Arrow reads from a file of Python's
    finally:
        tracemalloc.stop()

    assert most < size * number / 4


def test_a_table_may_hold_the_images(tmp_path: Path, photo: Photo) -> None:
    photos = [photo(number) for number in range(40)]
    pd.DataFrame({"image": [*photos, None]}).to_parquet(tmp_path / "t.parquet")
    source = Source(str(tmp_path / "t.parquet"), "image")

    assert contents(source) == [*photos, b""]
    assert next(inputs.read(source)).path is None


def test_one_image_is_an_input(folder: Path) -> None:
    assert [item.id for item in inputs.read(Source(str(folder / "1.png")))] == ["1.png"]


def test_other_names_or_numbers_have_another_fingerprint(folder: Path) -> None:
    source = Source(str(folder))
    before = inputs.survey(source)
    (folder / "1.png").write_bytes(b"mended")
    assert inputs.survey(source) == before
    (folder / "1.png").rename(folder / "one.png")
    assert inputs.survey(source).images == before.images
    assert inputs.survey(source).fingerprint != before.fingerprint


@pytest.mark.parametrize("kind", ["txt", "csv", "parquet", "tar"])
def test_other_names_in_a_file_have_another_fingerprint(tmp_path: Path, kind: str) -> None:
    source = Source(str(tmp_path / f"x.{kind}"))

    def write(*names: str) -> str:
        table = pd.DataFrame({"path": names})
        if kind == "tar":
            with tarfile.open(source.name, "w") as archive:
                for name in names:
                    archive.addfile(tarfile.TarInfo(name))
        elif kind == "parquet":
            table.to_parquet(source.name, compression=None)
        else:
            table.to_csv(source.name, index=False, header=kind == "csv")
        return inputs.survey(source).fingerprint

    found = write("1.png", "2.png")

    assert write("1.png", "2.png") == found
    assert found not in {write("1.png", "3.png"), write("2.png", "1.png")}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty", None, "empty holds no images"),
        ("nowhere", None, "nowhere does not exist"),
        ("*.jpg", None, r"no file matches .*\*.jpg"),
        ("x.txt", b"\n", "x.txt holds no images"),
        ("x.csv", b"a,b\n1,2\n", "needs one column path; its columns are a, b"),
        ("x.csv", b"", "x.csv cannot be read: Empty CSV file"),
        ("x.csv", b"path,a\n1.png,2\n3\n", "x.csv cannot be read: CSV parse error"),
        ("x.parquet", b"PAR1", "x.parquet cannot be read: "),
        ("x.tar", b"no tar", "x.tar is no tar file"),
        ("x.tar.gz", b"\x1f\x8b\x08", "x.tar.gz is compressed"),
    ],
)
def test_what_holds_no_images_is_told_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(DataError, match=message) as caught:
        inputs.survey(Source(str(tmp_path / name)))
    assert "\n" not in str(caught.value)


def test_a_column_of_numbers_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"path": [1, 2]}).to_parquet(tmp_path / "x.parquet")

    with pytest.raises(DataError, match="column path holds int64, not paths or encoded images"):
        inputs.survey(Source(str(tmp_path / "x.parquet")))


def test_shards_outside_of_the_folder_that_may_be_read_are_not_listed(
    tmp_path: Path, photo: Photo
) -> None:
    write_shard(tmp_path / "x.tar", photo(0))
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "way.tar").symlink_to(tmp_path / "x.tar")

    with pytest.raises(DataError, match=r"way\.tar is outside"):
        inputs.survey(Source(str(tmp_path / "root"), within=tmp_path / "root"))
