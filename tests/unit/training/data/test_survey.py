"""One look at every image, and the near-duplicates among them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits

from models.errors import DataError
from training.data import duplicates, folder
from training.data.survey import survey

Save = Callable[[str, Image.Image], Path]
Photos = dict[str, Image.Image]


def save_all(save: Save, photos: Photos, suffix: str = "png") -> None:
    for number, (name, photo) in enumerate(photos.items()):
        save(f"class{number % 2}/{name}.{suffix}", photo)


def test_a_broken_image_is_listed_and_left_out(tmp_path: Path, save: Save, photos: Photos) -> None:
    save_all(save, photos)
    (tmp_path / "class0" / "imageNotFound.gif").write_text("<html>404</html>", encoding="utf-8")
    (tmp_path / "class1" / "empty.jpg").touch()

    found = survey(folder.read(tmp_path))

    assert [image.id for image in found.unreadable] == [
        "class0/imageNotFound.gif",
        "class1/empty.jpg",
    ]
    assert all(image.reason for image in found.unreadable)
    assert len(found.dataset.samples) == len(found.hashes) == len(photos)


def test_a_class_of_broken_images_cannot_be_learned(
    tmp_path: Path, save: Save, photos: Photos
) -> None:
    save("cat/a.png", photos["cat"])
    (tmp_path / "cat" / "other.jpg").touch()
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "b.jpg").write_bytes(b"\xff\xd8\xff broken")

    with pytest.raises(DataError, match="no image of dog can be read: the JPEG"):
        survey(folder.read(tmp_path))


def test_the_fingerprint_is_of_contents_and_labels(
    tmp_path: Path, save: Save, photos: Photos
) -> None:
    save_all(save, photos)
    before = survey(folder.read(tmp_path)).fingerprint

    (tmp_path / "class0" / "astronaut.png").rename(tmp_path / "class0" / "zoe.png")
    renamed = survey(folder.read(tmp_path)).fingerprint
    (tmp_path / "class0" / "zoe.png").rename(tmp_path / "class1" / "zoe.png")
    relabelled = survey(folder.read(tmp_path)).fingerprint

    assert renamed == before
    assert relabelled != before


def test_a_photo_saved_anew_is_found_and_another_is_not(
    tmp_path: Path,
    save: Save,
    photos: Photos,
    saved_anew: Callable[[Image.Image], Image.Image],
) -> None:
    save_all(save, photos)
    save("class0/copy.jpg", saved_anew(photos["coffee"]))

    found = survey(folder.read(tmp_path))
    groups = duplicates.groups(found.hashes)

    alike = [
        {s.id for s, n in zip(found.dataset.samples, groups, strict=True) if n == number}
        for number in np.flatnonzero(np.bincount(groups) > 1)
    ]
    assert alike == [{"class0/coffee.png", "class0/copy.jpg"}]


def test_blank_images_are_alike_only_if_they_are_copies(
    tmp_path: Path, save: Save, photos: Photos
) -> None:
    save_all(save, photos)
    for name, colour in {"white": 255, "grey": 128, "black": 0}.items():
        save(f"class0/{name}.png", Image.new("L", (40, 30), colour))
    save("class1/copy.png", Image.new("L", (40, 30), 128))
    shade = np.tile(np.linspace(0, 5, 80).astype(np.uint8), (60, 1))
    for name, level in {"paper": 240, "slate": 60}.items():
        save(f"class1/{name}.png", Image.fromarray(shade + np.uint8(level)))

    found = survey(folder.read(tmp_path))
    groups = duplicates.groups(found.hashes)

    labels = [sample.label for sample in found.dataset.samples]
    (rows,) = duplicates.conflicts(groups, labels)
    assert [found.dataset.samples[row].id for row in rows] == ["class0/grey.png", "class1/copy.png"]
    assert len(set(groups.tolist())) == len(groups) - 1


def test_near_duplicates_with_one_label_are_no_conflict() -> None:
    assert duplicates.conflicts(np.array([0, 1, 0, 2, 1, 0]), [5, 5, 5, 6, 6, 5]) == ((1, 4),)


def test_handwritten_digits_are_told_apart(tmp_path: Path, save: Save) -> None:
    images, labels = load_digits(return_X_y=True)
    for number, (pixels, label) in enumerate(zip(images[:200], labels, strict=False)):
        grey = Image.fromarray((pixels.reshape(8, 8) * 15).astype(np.uint8))
        save(f"{label}/{number}.png", grey.resize((32, 32), Image.Resampling.BICUBIC))

    groups = duplicates.groups(survey(folder.read(tmp_path)).hashes)

    assert len(set(groups.tolist())) == 200


def test_groups_are_the_components_of_scipys_distances() -> None:
    generator = np.random.default_rng(0)
    seeds = generator.integers(0, 256, (40, 32), dtype=np.uint8)
    chains = [seeds]
    for _ in range(20):  # each a few bits from the one before: a chain, longer than a block
        flips = np.packbits(generator.random((40, 256)) < 0.015, axis=1)
        chains.append(chains[-1] ^ flips)
    hashes = generator.permutation(np.concatenate(chains))

    groups = duplicates.groups(hashes, distance=8)

    bits = np.unpackbits(hashes, axis=1)
    near = cdist(bits, bits, "cityblock") <= 8
    reachable = near
    while (further := reachable @ near).sum() > reachable.sum():
        reachable = further
    np.testing.assert_array_equal(groups[:, np.newaxis] == groups, reachable)
