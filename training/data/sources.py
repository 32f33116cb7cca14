"""Labelled images as a user has them: folders, a table, or shards."""

from pathlib import Path

from models.errors import DataError
from training.data import folder, shards, table
from training.data.dataset import Dataset, Split


def read(path: Path) -> Dataset:
    """Find the images of a folder, of a CSV or Parquet table, or of WebDataset shards.

    A folder that holds nothing but tar files, and perhaps `classes.txt`, is one of shards.

    Raises:
        DataError: there is nothing there that can be learned from.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist")
    if path.is_dir() and (found := _shards(path)):
        return _learnable(path, shards.read(found))
    if path.is_dir():
        return folder.read(path)
    if path.suffix.lower() in table.SUFFIXES:
        return _learnable(path, table.read(path))
    if shards.is_shard(path):
        return _learnable(path, shards.read([path]))
    raise DataError(f"{path} is no folder, and no .csv, .parquet or .tar file")


def _shards(root: Path) -> list[Path]:
    """The tar files of a folder that holds nothing else."""
    try:
        visible = sorted(child for child in root.iterdir() if not child.name.startswith("."))
    except OSError as error:
        raise DataError(f"{root} cannot be read: {error.strerror}") from error
    files = [child for child in visible if child.name != shards.CLASSES]
    return files if all(file.is_file() and shards.is_shard(file) for file in files) else []


def _learnable(path: Path, dataset: Dataset) -> Dataset:
    if len(dataset.labels) < 2:  # noqa: PLR2004 - one class leaves nothing to tell apart
        raise DataError(f"{path} has {len(dataset.labels)} classes to learn; two are the least")
    learned = {sample.label for sample in dataset.samples if sample.split in {None, Split.TRAIN}}
    for number, label in enumerate(dataset.labels):
        if number not in learned:
            raise DataError(f"{path}: class {label} has no image to train on")
    return dataset
