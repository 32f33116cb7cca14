"""Inputs and outputs in an object store: in memory, and on an S3 server of our own."""

import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pytest

from models.errors import DataError, NotInstalled, OutputError, UnreadableImage
from service.core.scoring import inputs
from service.core.scoring.inputs import Source
from service.core.scoring.items import Item, Span
from service.core.scoring.output import Run, opened
from service.core.scoring.parts import Format
from service.core.scoring.remote import BUFFER, Remote, beside, place
from service.core.scoring.rows import Row


@pytest.fixture(params=["memory", "s3"])
def root(request: pytest.FixtureRequest) -> Remote:
    """A folder of its own."""
    store = request.getfixturevalue("s3") if request.param == "s3" else "memory://photos"
    found = place(f"{store}/{uuid4()}")
    assert isinstance(found, Remote)
    return found


def copy(folder: Path, root: Remote) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            (root / path.relative_to(folder).as_posix()).write(path.read_bytes())


@pytest.fixture
def every_kind(folder: Path, photo: Callable[[int], bytes]) -> Path:
    """Photos in folders, and the lists, tables and shards that name or hold some."""
    for name in ("deep/er/1.png", "deep/2.PNG", ".hidden/3.png", ".4.png", "deep/notes.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(photo(20))
    (folder / "empty.png").touch()
    (folder / "list.txt").write_text("1.png\n\ndeep/2.PNG\r\nnowhere.png\n1.png", "utf-8")
    paths = pd.DataFrame({"path": ["1.png", "deep/er/1.png"]})
    paths.to_csv(folder / "table.csv")
    paths.to_parquet(folder / "table.parquet")
    pd.DataFrame({"path": [photo(5), None]}).to_parquet(folder / "held.parquet")
    (folder / "shards").mkdir()
    for name in ("a.tar", "b.tar"):
        with tarfile.open(folder / "shards" / name, "w") as shard:
            for number in range(3):
                shard.add(folder / f"{number}.png", f"{number}.png")
    return folder


def contents(name: str) -> list[tuple[str, bytes | None]]:
    source = Source(name)
    found = list(inputs.read(source))
    assert inputs.survey(source).images == len(found)
    return [(item.id, content(item)) for item in found]


def content(item: Item) -> bytes | None:
    try:
        return item.read(10**6)
    except UnreadableImage:
        return None


def test_a_store_is_read_as_a_disk_is(every_kind: Path, root: Remote) -> None:
    copy(every_kind, root)

    for name in (
        "", "1.png", "*.png", "**/[12].*", "list.txt", "table.csv", "table.parquet",
        "held.parquet", "shards", "shards/b.tar", "shards/*.tar",
    ):  # fmt: skip
        assert contents(f"{root}/{name}") == contents(f"{every_kind}/{name}"), name


def test_an_image_is_named_by_its_url(root: Remote, photo: Callable[[int], bytes]) -> None:
    (root / "in" / "1.png").write(photo(1))

    (item,) = inputs.read(Source(str(root)))

    assert (item.id, item.path) == ("in/1.png", f"{root}/in/1.png")


def test_a_list_on_disk_may_name_urls(
    root: Remote, folder: Path, photo: Callable[[int], bytes]
) -> None:
    (root / "far.png").write(photo(77))
    (folder / "list.txt").write_text(f"{root}/far.png\n1.png", "utf-8")

    assert [data for _, data in contents(f"{folder}/list.txt")] == [photo(77), photo(1)]


def test_who_may_read_one_folder_may_read_no_store(root: Remote, tmp_path: Path) -> None:
    (root / "1.png").write(b"secret")
    item = Item("1.png", None, Span(root / "1.png"))

    with pytest.raises(UnreadableImage, match="outside of the folder"):
        item.read(100, within=tmp_path)


def test_bytes_are_read_from_anywhere(root: Remote) -> None:
    whole = bytes(range(256)) * (BUFFER // 256) + b"the end"
    (root / "x").write(whole)

    with (root / "x").open("rb") as file:
        assert file.seek(-7, 2) == BUFFER
        assert (file.read(), file.read()) == (b"the end", b"")
        file.seek(0)
        assert file.read() == whole
        file.seek(BUFFER + 100)
        assert file.read(1) == b""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "does not exist"),
        ("*.jpg", r"no file matches .*\*.jpg"),
        ("x.txt", "x.txt holds no images"),
        ("x.csv", "needs one column path"),
        ("x.parquet", "x.parquet cannot be read: "),
        ("x.tar", "x.tar is no tar file"),
    ],
)
def test_what_holds_no_images_is_told_in_one_line(root: Remote, name: str, message: str) -> None:
    for file, written in (("txt", b"\n"), ("csv", b"a\n1\n"), ("parquet", b"PAR1"), ("tar", b"-")):
        if name:
            (root / f"x.{file}").write(written)

    with pytest.raises(DataError, match=message) as caught:
        inputs.survey(Source(f"{root}/{name}"))
    assert "\n" not in str(caught.value)


def rows(*names: str) -> list[Row]:
    return [Row(input=name, path=None, sha256=None, error="x") for name in names]


@pytest.mark.parametrize("form", list(Format))
def test_a_part_is_done_once_it_is_put(a_run: Run, root: Remote, form: Format) -> None:
    run = replace(a_run, format=form)
    with opened(root, run) as output:
        assert not output.done(1)
        output.write(1, rows("d", "e"))
    with opened(root, run) as output:
        assert (output.done(0), output.done(1)) == (False, True)
        assert output.read(1) == rows("d", "e")
    assert {each.name for each in root.iterdir()} == {"_run.json", f"part-00001.{form}"}


def test_a_part_that_fails_half_way_is_not_put(a_run: Run, root: Remote) -> None:
    unwritable = Row("d", path=None, sha256=None, index="no number")  # type: ignore[arg-type]

    with opened(root, a_run) as output, pytest.raises(OutputError):
        output.write(1, [*rows("d"), unwritable])

    assert {each.name for each in root.iterdir()} == {"_run.json"}


def test_another_run_is_refused(a_run: Run, root: Remote) -> None:
    with opened(root, a_run):
        pass

    changed = replace(a_run, top_k=1)
    with pytest.raises(OutputError, match="top_k was 5, and is 1 now"), opened(root, changed):
        pass


def test_of_two_that_begin_at_once_one_is_refused(
    a_run: Run, root: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(root, a_run):
        pass
    # As the second saw it, before the first had put its own.
    monkeypatch.setattr(Remote, "exists", lambda _: False)

    with pytest.raises(OutputError, match="File exists"), opened(root, replace(a_run, top_k=1)):
        pass

    monkeypatch.undo()
    with opened(root, a_run):
        pass


def test_a_folder_of_other_files_is_left_alone(a_run: Run, root: Remote) -> None:
    (root / "thesis.tex").write(b"x")

    with pytest.raises(OutputError, match=r"holds thesis\.tex"), opened(root, a_run):
        pass


def test_a_bucket_that_is_not_there_is_told(a_run: Run, s3: str) -> None:
    missing = place(f"{s3}-elsewhere/out")

    with (
        pytest.raises(OutputError, match="cannot be written: No such file"),
        opened(missing, a_run),
    ):
        pass


def test_a_server_that_does_not_answer_is_told(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert s3

    def down(*_: object, **__: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr("s3fs.S3FileSystem._call_s3", down)
    with pytest.raises(DataError, match="photos/x cannot be read: "):
        inputs.survey(Source("s3://photos/x"))


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gcsfs", None)

    with pytest.raises(NotInstalled, match=r"needs gcsfs.* pip install 'seewhy\[cloud\]' gcsfs"):
        inputs.survey(Source("gs://bucket/photos"))


def test_other_schemes_are_paths() -> None:
    assert place("ftp://host/x") == Path("ftp://host/x")
    assert beside(Path("lists/a.txt"), "x.png") == Path("lists/x.png")
