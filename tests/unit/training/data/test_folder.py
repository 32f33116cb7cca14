"""Images in folders."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from models.errors import DataError
from training.data import folder
from training.data.dataset import Split

Save = Callable[[str, Image.Image], Path]


def test_a_folder_for_each_class_is_a_data_set(
    tmp_path: Path, save: Save, noise: Image.Image
) -> None:
    for name in ("dog/b.png", "dog/more/a.JPG", "cat/c.webp"):
        save(name, noise)

    found = folder.read(tmp_path)

    assert found.labels == ("cat", "dog")
    assert [(sample.id, sample.label, sample.split) for sample in found.samples] == [
        ("cat/c.webp", 0, None),
        ("dog/b.png", 1, None),
        ("dog/more/a.JPG", 1, None),
    ]
    assert found.samples[1].read() == (tmp_path / "dog" / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("name", "split"),
    [("val", Split.VALIDATION), ("valid", Split.VALIDATION), ("test", Split.TEST)],
)
def test_folders_of_splits_are_the_users_word(
    tmp_path: Path, save: Save, noise: Image.Image, name: str, split: Split
) -> None:
    for file in ("train/cat/a.png", "train/dog/b.png", f"{name}/cat/c.png"):
        save(file, noise)

    found = folder.read(tmp_path)

    assert {sample.id: sample.split for sample in found.samples} == {
        "train/cat/a.png": Split.TRAIN,
        "train/dog/b.png": Split.TRAIN,
        f"{name}/cat/c.png": split,
    }


def test_two_names_of_a_split_are_one_split(tmp_path: Path, save: Save, noise: Image.Image) -> None:
    files = ["train/cat/a.png", "train/dog/b.png", "val/cat/c.png", "valid/cat/d.png"]
    for file in files:
        save(file, noise)

    found = folder.read(tmp_path)

    assert [sample.id for sample in found.samples] == files
    assert [sample.id for sample in found.of(Split.VALIDATION)] == files[2:]


def test_what_is_hidden_or_no_image_is_passed_over(
    tmp_path: Path, save: Save, noise: Image.Image
) -> None:
    for name in ("cat/a.png", "dog/b.png", "dog/.c.png", ".cache/d.png", "dog/.thumbs/e.png"):
        save(name, noise)
    (tmp_path / "dog" / "notes.txt").write_text("a good dog", encoding="utf-8")

    found = folder.read(tmp_path)

    assert [sample.id for sample in found.samples] == ["cat/a.png", "dog/b.png"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["cat/a.png"], ": 1; two are the least"),
        (["train/cat/a.png", "train/dog/b.png", "other/cat/c.png"], "others beside them: other"),
        (["train/cat/a.png", "train/dog/b.png", "val/fox/c.png"], "no class fox to train on"),
        (["cat/a.png", "dog/b.txt"], "dog holds no images"),
    ],
)
def test_what_cannot_be_learned_from_is_named(
    tmp_path: Path, files: list[str], message: str, noise: Image.Image
) -> None:
    for file in files:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        noise.save(path, "PNG")

    with pytest.raises(DataError, match=message):
        folder.read(tmp_path)


def test_a_split_without_a_class_is_named(tmp_path: Path, save: Save, noise: Image.Image) -> None:
    for name in ("train/cat/a.png", "train/dog/b.png"):
        save(name, noise)
    (tmp_path / "val").mkdir()

    with pytest.raises(DataError, match="has a folder for validation without a class in it"):
        folder.read(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="photos cannot be read: No such file"):
        folder.read(tmp_path / "photos")
