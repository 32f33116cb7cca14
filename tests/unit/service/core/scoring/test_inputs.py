"""What a user can name, and what comes of it."""

import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest

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

    found = list(inputs.read(Source(f"{folder}/**/[1-2].png")))

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
