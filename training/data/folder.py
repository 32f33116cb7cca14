"""Images in folders: a folder for each class, perhaps below one for each split."""

from pathlib import Path

from models import folder as photos
from models.errors import DataError
from training.data.dataset import Dataset, Sample, Split

SPLITS = {
    "train": Split.TRAIN,
    "val": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "validation": Split.VALIDATION,
    "calibration": Split.CALIBRATION,
    "test": Split.TEST,
}
"""What folders of splits are called."""

Parts = dict[Split | None, list[Path]]
"""The folders of classes in each split; None where nobody has split the images."""


def read(root: Path) -> Dataset:
    """Find the images of `<label>/…` or `<split>/<label>/…`; none is opened.

    Hidden files and files that are no images by their suffix are passed over. Labels are
    sorted; an image's id is its path below `root`.

    Raises:
        DataError: there is no such folder, a class folder has no image, a split's folder no
            class, a class is missing from the training split, or there are fewer than two.
    """
    folders = _folders(root)
    if any(folder.name in SPLITS for folder in folders):
        strangers = [folder.name for folder in folders if folder.name not in SPLITS]
        if strangers:
            raise DataError(
                f"{root} has folders of splits and others beside them: {', '.join(strangers)}"
            )
        parts: Parts = {}
        for folder in folders:  # two names, as val and valid, may mean one split
            parts.setdefault(SPLITS[folder.name], []).extend(_folders(folder))
    else:
        parts = {None: folders}
    return _dataset(root, parts)


def _dataset(root: Path, parts: Parts) -> Dataset:
    learned = parts.get(Split.TRAIN, parts.get(None, []))
    labels = tuple(folder.name for folder in learned)
    if len(labels) < 2:  # noqa: PLR2004 - one class leaves nothing to tell apart
        raise DataError(f"classes to learn in {root}: {len(labels)}; two are the least")
    samples = []
    for split, classes in parts.items():
        if not classes:
            raise DataError(f"{root} has a folder for {split} without a class in it")
        for folder in classes:
            if folder.name not in labels:
                raise DataError(f"{folder}: there is no class {folder.name} to train on")
            label = labels.index(folder.name)
            files = list(photos.images(folder))
            if not files:
                raise DataError(f"{folder} holds no images")
            samples += [
                Sample(file.relative_to(root).as_posix(), label, file, split=split)
                for file in files
            ]
    return Dataset(labels, tuple(samples))


def _folders(root: Path) -> list[Path]:
    try:
        children = sorted(root.iterdir())
    except OSError as error:
        raise DataError(f"{root} cannot be read: {error.strerror}") from error
    return [child for child in children if child.is_dir() and not child.name.startswith(".")]
