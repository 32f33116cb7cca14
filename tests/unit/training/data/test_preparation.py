"""From what a user names to a data set that can be learned from."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from training.data.dataset import Split
from training.data.preparation import prepare

Save = Callable[[str, Image.Image], Path]
Photos = dict[str, Image.Image]


def test_what_was_found_in_the_data_is_told(
    tmp_path: Path,
    save: Save,
    photos: Photos,
    saved_anew: Callable[[Image.Image], Image.Image],
) -> None:
    for name in ("astronaut", "cat", "coins"):
        save(f"train/alive/{name}.png", photos[name])
    for name in ("coffee", "rocket"):
        save(f"train/thing/{name}.png", photos[name])
    save("train/thing/coins.jpg", saved_anew(photos["coins"]))
    save("val/thing/coffee.jpg", saved_anew(photos["coffee"]))
    save("val/alive/camera.png", photos["camera"])
    (tmp_path / "train" / "alive" / "broken.jpg").write_bytes(b"")

    found = prepare(tmp_path, seed=0)

    told = "\n".join(found.findings())
    assert "5 images to learn from, 2 held out, 2 classes" in told
    assert "left out: train/alive/broken.jpg: the image is empty" in told
    assert "1 near-duplicates of held-out images: train/thing/coffee.png" in told
    assert "different labels: train/alive/coins.png, train/thing/coins.jpg" in told
    assert found.groups["train/alive/coins.png"] == found.groups["train/thing/coins.jpg"]
    assert {sample.id for sample in found.dataset.of(Split.TEST)} == {
        "val/thing/coffee.jpg",
        "val/alive/camera.png",
    }


def test_classes_of_one_size_have_no_largest(tmp_path: Path, save: Save, photos: Photos) -> None:
    for split, names in (("train", ("cat", "coins")), ("val", ("coffee", "rocket"))):
        for label, name in zip("ab", names, strict=True):
            save(f"{split}/{label}/{name}.png", photos[name])

    assert list(prepare(tmp_path, seed=0).findings()) == [
        "2 images to learn from, 2 held out, 2 classes",
        "every class has 2 images",
    ]
