"""Images in a table: a row for each, with its path and its label."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath

import pyarrow as pa
from pyarrow import csv, parquet

from models.errors import DataError
from training.data.dataset import Dataset, Sample, Split
from training.data.folder import SPLITS

SUFFIXES = frozenset({".csv", ".parquet"})

COLUMNS = ("path", "label", "split")
"""The last one may be missing; further ones are passed over."""


def read(manifest: Path) -> Dataset:
    """Read a CSV or Parquet file with columns `path`, `label` and perhaps `split`.

    Paths are relative to the table's folder, and are the images' ids. Labels are sorted as
    text. No image is opened.

    Raises:
        DataError: the table cannot be read, lacks a column or a value, names an unknown split,
            lists an image twice, or none that is there.
    """
    columns = _columns(manifest)
    for name, values in columns.items():
        if "" in values:
            raise DataError(f"{manifest}: image {values.index('') + 1} has no {name}")
    ids = [PurePath(path).as_posix() for path in columns["path"]]
    _check_ids(manifest, ids)
    names = columns["label"]
    labels = tuple(sorted(set(names)))
    numbers = {name: number for number, name in enumerate(labels)}
    splits = _splits(manifest, columns["split"]) if "split" in columns else [None] * len(ids)
    return Dataset(
        labels,
        tuple(
            Sample(id_, numbers[name], manifest.parent / id_, split=split)
            for id_, name, split in zip(ids, names, splits, strict=True)
        ),
    )


def _columns(manifest: Path) -> dict[str, list[str]]:
    """The columns that are there, as text; "" stands for no value."""
    try:
        if manifest.suffix.lower() == ".csv":
            # As text, or the labels 01 and 1 would be one.
            as_text = csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()))
            table = csv.read_csv(manifest, convert_options=as_text)
        else:
            table = parquet.read_table(manifest, partitioning=None)
        found = table.column_names
        for name in COLUMNS:
            if found.count(name) != 1 and (name in found or name != "split"):
                raise DataError(
                    f"{manifest} needs one column {name}; its columns are {', '.join(found)}"
                )
        texts = {name: table[name].cast(pa.string()) for name in COLUMNS if name in found}
    except pa.ArrowException as error:
        raise DataError(f"{manifest} cannot be read: {_first_line(error)}") from error
    except OSError as error:
        raise DataError(
            f"{manifest} cannot be read: {error.strerror or _first_line(error)}"
        ) from error
    return {name: [text or "" for text in texts[name].to_pylist()] for name in texts}


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _check_ids(manifest: Path, ids: Sequence[str]) -> None:
    twice = [id_ for id_, count in Counter(ids).items() if count > 1]
    if twice:
        raise DataError(f"{manifest} lists {twice[0]} more than once ({len(twice)} such images)")
    # A few that are missing are left out later, as what cannot be read.
    if ids and not any((manifest.parent / id_).is_file() for id_ in ids):
        raise DataError(f"{manifest} lists {ids[0]}, which is not there, and no image that is")


def _splits(manifest: Path, names: Sequence[str]) -> list[Split]:
    for name in names:
        if name not in SPLITS:
            raise DataError(f"{manifest}: no split is called {name}; there are {', '.join(SPLITS)}")
    return [SPLITS[name] for name in names]
