"""Labelled images as a user has them: folders, a table, or shards."""

from pathlib import Path

from models.errors import DataError
from models.shards import in_folder, is_shard
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
    if path.is_dir() and (found := in_folder(path)):
        return _learnable(path, shards.read(found))
    if path.is_dir():
        return folder.read(path)
    if path.suffix.lower() in table.SUFFIXES:
        return _learnable(path, table.read(path))
    if is_shard(path):
        return _learnable(path, shards.read([path]))
    raise DataError(f"{path} is no folder, and no .csv, .parquet or .tar file")


def _learnable(path: Path, dataset: Dataset) -> Dataset:
    if len(dataset.labels) < 2:  # noqa: PLR2004 - one class leaves nothing to tell apart
        raise DataError(f"classes to learn in {path}: {len(dataset.labels)}; two are the least")
    learned = {sample.label for sample in dataset.samples if sample.split in {None, Split.TRAIN}}
    for number, label in enumerate(dataset.labels):
        if number not in learned:
            raise DataError(f"{path}: class {label} has no image to train on")
    return dataset
