"""Labelled images in WebDataset shards; `models.shards` says what these are."""

import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.errors import DataError
from models.shards import CLASSES, is_image, members, named
from training.data.dataset import Dataset, Sample


@dataclass(frozen=True)
class _Entry:
    """What a shard holds under one key."""

    images: list[tarfile.TarInfo] = field(default_factory=list)
    texts: dict[str, bytes] = field(default_factory=dict)


def read(shards: Sequence[Path]) -> Dataset:
    """Find the images of shards in one folder; none is opened.

    A label is a name or an index, in the member `.cls` or as "label" in `.json`. Indices
    stand for themselves where there is no `classes.txt`. Labels are sorted as text; an
    image's id is the shard's name and the member's.

    Raises:
        DataError: a shard is compressed or damaged, a sample has not one image and one label,
            or `classes.txt` and the labels do not fit.
    """
    classes = _classes(shards[0].parent / CLASSES)
    found = [(shard, key, entry) for shard in shards for key, entry in _entries(shard).items()]
    names = [_label(f"{shard}: {key}", entry, classes) for shard, key, entry in found]
    labels = tuple(sorted({*classes, *names}))
    if empty := sorted(set(classes) - set(names)):
        raise DataError(f"{CLASSES} has the class {empty[0]}, but no image of it is in the shards")
    numbers = {name: number for number, name in enumerate(labels)}
    return Dataset(
        labels,
        tuple(
            _sample(shard, key, entry, numbers[name])
            for (shard, key, entry), name in zip(found, names, strict=True)
        ),
    )


def _sample(shard: Path, key: str, entry: _Entry, label: int) -> Sample:
    if len(entry.images) != 1:
        raise DataError(f"{shard}: {key} has {len(entry.images)} images; it needs one")
    image = entry.images[0]
    return Sample(f"{shard.name}/{image.name}", label, shard, image.offset_data, image.size)


def _entries(shard: Path) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    for member in members(shard):
        key, extension = named(member)
        entry = entries.setdefault(key, _Entry())
        if is_image(member):
            entry.images.append(member)
        elif extension in {"cls", "json"}:
            entry.texts[extension] = _content(shard, member)
    return {key: entry for key, entry in entries.items() if entry.images or entry.texts}


def _content(shard: Path, member: tarfile.TarInfo) -> bytes:
    try:
        with shard.open("rb") as file:
            file.seek(member.offset_data)
            return file.read(member.size)
    except OSError as error:
        raise DataError(f"{shard} cannot be read: {error.strerror}") from error


def _classes(path: Path) -> tuple[str, ...]:
    """The class names; none where there is no such file."""
    try:
        names = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    stripped = tuple(name.strip() for name in names if name.strip())
    for name in stripped:
        if stripped.count(name) > 1:
            raise DataError(f"{path} names {name} twice")
    return stripped


def _label(where: str, entry: _Entry, classes: Sequence[str]) -> str:
    """The name of a sample's class."""
    if "cls" in entry.texts:
        text = _text(f"{where}.cls", entry.texts["cls"]).strip()
    else:
        text = _json_label(where, entry.texts.get("json", b"{}"))
    if not text:
        raise DataError(f'{where} has no label: it needs a .cls, or a .json with "label"')
    if not classes or text in classes:
        return text
    if text.isdecimal() and int(text) < len(classes):
        return classes[int(text)]
    raise DataError(f"{where} has the label {text}, which {CLASSES} does not have")


def _text(where: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is no UTF-8 text") from error


def _json_label(where: str, content: bytes) -> str:
    try:
        values = json.loads(_text(f"{where}.json", content))
    except ValueError as error:
        raise DataError(f"{where}.json is no JSON: {error}") from error
    label = values.get("label", "") if isinstance(values, dict) else ""
    if isinstance(label, bool) or not isinstance(label, int | str):
        raise DataError(f"{where}.json has the label {label!r}; it must be an index or a name")
    return str(label).strip()
