"""Images in tar files, as the webdataset package writes them."""

import gzip
import json
import tarfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

import pytest
import webdataset
from PIL import Image

from models.errors import DataError
from training.data import shards, sources

Photos = dict[str, Image.Image]
Write = Callable[..., Path]


def encoded(photo: Image.Image, form: str = "JPEG") -> bytes:
    buffer = BytesIO()
    photo.convert("RGB").save(buffer, form)
    return buffer.getvalue()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Has webdataset write samples, without their keys, into a shard."""

    def write_shard(*samples: Mapping[str, object], name: str = "photos-000.tar") -> Path:
        path = tmp_path / name
        with path.open("wb") as file, webdataset.TarWriter(file) as writer:
            for number, sample in enumerate(samples):
                writer.write({"__key__": f"{path.stem}/{number:04d}", **sample})
        return path

    return write_shard


def test_each_image_is_read_where_it_stands(write: Write, photos: Photos) -> None:
    images = [encoded(photo) for photo in photos.values()]
    shard = write(*({"jpg": image, "cls": number % 3} for number, image in enumerate(images)))

    found = sources.read(shard)

    assert found.labels == ("0", "1", "2")
    assert [sample.read() for sample in found.samples] == images
    theirs = webdataset.WebDataset(str(shard), shardshuffle=False)
    for sample, other in zip(found.samples, theirs, strict=True):
        assert sample.id == f"{shard.name}/{other['__key__']}.jpg"
        assert sample.read() == other["jpg"]
        assert found.labels[sample.label] == other["cls"].decode()
        assert sample.split is None


def test_a_folder_of_shards_is_one_data_set(tmp_path: Path, write: Write, photos: Photos) -> None:
    image = encoded(photos["cat"], "PNG")
    write({"png": image, "json": {"label": "cat", "source": "a walk"}}, name="b.tar")
    write({"png": image, "json": {"label": 7}}, {"PNG": image, "cls": "dog"}, name="a.tar")
    (tmp_path / ".hidden").touch()

    found = sources.read(tmp_path)

    assert found.labels == ("7", "cat", "dog")
    assert [(sample.id, found.labels[sample.label]) for sample in found.samples] == [
        ("a.tar/a/0000.png", "7"),
        ("a.tar/a/0001.PNG", "dog"),
        ("b.tar/b/0000.png", "cat"),
    ]


def test_a_file_of_classes_names_the_indices(tmp_path: Path, write: Write, photos: Photos) -> None:
    image = encoded(photos["cat"])
    write({"jpg": image, "cls": 1}, {"jpg": image, "cls": 0}, {"jpg": image, "cls": "fox"})
    (tmp_path / "classes.txt").write_text("fox\ncat\n", encoding="utf-8")

    found = sources.read(tmp_path)

    assert found.labels == ("cat", "fox")
    assert [found.labels[sample.label] for sample in found.samples] == ["cat", "fox", "fox"]


def test_hidden_files_are_passed_over(write: Write, photos: Photos) -> None:
    image = encoded(photos["cat"])
    # macOS's tar adds such a file to each.
    hidden = {"__key__": "a/._0000", "jpg": b"-", "cls": b"?"}
    shard = write({"jpg": image, "cls": 0}, hidden, {"jpg": image, "cls": 1})

    assert [sample.read() for sample in sources.read(shard).samples] == [image, image]


def test_a_long_name_does_not_shift_the_image(tmp_path: Path, photos: Photos) -> None:
    image = encoded(photos["cat"])
    shard = tmp_path / "long.tar"
    with tarfile.open(shard, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in {f"{'ü' * 150}.jpg": image, f"{'ü' * 150}.cls": b"cat"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, BytesIO(content))

    (sample,) = shards.read([shard]).samples

    assert sample.read() == image


@pytest.mark.parametrize(
    ("sample", "classes", "message"),
    [
        ({"jpg": b"-"}, "", "0000 has no label: it needs a .cls"),
        ({"jpg": b"-", "json": {"name": "cat"}}, "", "0000 has no label"),
        ({"jpg": b"-", "json": {"label": 0.5}}, "", "the label 0.5; it must be an index or a name"),
        ({"jpg": b"-", "json": {"label": True}}, "", "the label True; it must be an index"),
        ({"jpg": b"-", "json": b"{"}, "", "0000.json is no JSON"),
        ({"jpg": b"-", "cls": b"\xff"}, "", "0000.cls is no UTF-8 text"),
        ({"cls": 0}, "", "0000 has 0 images; it needs one"),
        ({"jpg": b"-", "png": b"-", "cls": 0}, "", "0000 has 2 images; it needs one"),
        ({"jpg": b"-", "cls": 2}, "cat\ndog", "the label 2, which classes.txt does not have"),
        ({"jpg": b"-", "cls": "fox"}, "cat\ndog", "the label fox, which classes.txt does not"),
        ({"jpg": b"-", "cls": 0}, "cat\ndog", "the class dog, but no image of it"),
        ({"jpg": b"-", "cls": 0}, "crane\ncrane", "names crane twice"),
        ({"jpg": b"-", "cls": 0}, "", ": 1; two are the least"),
    ],
)
def test_what_cannot_be_learned_from_is_named(
    tmp_path: Path, write: Write, sample: Mapping[str, object], classes: str, message: str
) -> None:
    # webdataset encodes what stands under its own extensions; these are bytes already.
    plain = {k: json.dumps(v).encode() if isinstance(v, dict) else v for k, v in sample.items()}
    shard = write(plain)
    if classes:
        (tmp_path / "classes.txt").write_text(classes, encoding="utf-8")

    with pytest.raises(DataError, match=message):
        sources.read(shard)


@pytest.mark.parametrize("name", ["photos.tar", "photos.tar.gz", "photos.tgz"])
def test_a_compressed_shard_is_refused_as_such(
    tmp_path: Path, write: Write, photos: Photos, name: str
) -> None:
    shard = write({"jpg": encoded(photos["cat"]), "cls": 0}, name="plain.tar")
    packed = gzip.compress(shard.read_bytes())
    shard.unlink()
    (tmp_path / name).write_bytes(packed)

    for path in (tmp_path, tmp_path / name):
        with pytest.raises(DataError, match=f"{name} is compressed"):
            sources.read(path)


def header_at(data: bytes, number: int) -> int:
    with tarfile.open(fileobj=BytesIO(data)) as archive:
        return archive.getmembers()[number].offset


@pytest.mark.parametrize("damage", ["cut in a header", "cut at a header", "header", "appended"])
def test_no_sample_of_a_damaged_shard_is_lost_silently(
    write: Write, photos: Photos, damage: str
) -> None:
    image = encoded(photos["cat"])
    shard = write({"jpg": image, "cls": 0}, {"jpg": image, "cls": 1})
    data = shard.read_bytes()
    third = header_at(data, 2)
    shard.write_bytes(
        {
            "cut in a header": data[: third + 100],
            "cut at a header": data[:third],
            "header": data[:third] + b"?" * 512 + data[third + 512 :],
            "appended": data + data,
        }[damage]
    )

    with pytest.raises(DataError, match="cut off or damaged"):
        sources.read(shard)


def test_a_shard_that_ends_in_an_image_is_refused(write: Write, photos: Photos) -> None:
    shard = write({"cls": 0, "jpg": encoded(photos["cat"])})
    shard.write_bytes(shard.read_bytes()[:2000])

    with pytest.raises(DataError, match="is no tar file, or is damaged"):
        sources.read(shard)
