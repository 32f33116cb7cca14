"""What is said of one input, and the Arrow schema of many."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa

SCHEMA_VERSION = 1

SCHEMA = pa.schema(
    [
        pa.field("input", pa.string(), nullable=False),
        ("path", pa.string()),
        ("sha256", pa.string()),
        ("label", pa.string()),
        ("index", pa.int32()),
        ("probability", pa.float64()),
        (
            "top_k",
            pa.list_(
                pa.struct(
                    [("label", pa.string()), ("index", pa.int32()), ("probability", pa.float64())]
                )
            ),
        ),
        ("calibrated", pa.bool_()),
        ("prediction_set", pa.list_(pa.string())),
        ("ood_score", pa.float64()),
        ("decision", pa.string()),
        ("error", pa.string()),
        ("embedding", pa.list_(pa.float32())),
        ("box", pa.list_(pa.float64())),
        ("robustness", pa.string()),
    ]
)
"""docs/scoring.md describes the columns; every part has all of them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One input's row; a field is None where the run or the bundle has nothing to say.

    `top_k` holds mappings of label, index and probability, most probable first; `box` is
    [left, top, right, bottom] in the photo's pixels.
    """

    input: str
    path: str | None
    sha256: str | None
    label: str | None = None
    index: int | None = None
    probability: float | None = None
    top_k: list[dict[str, Any]] | None = None
    calibrated: bool | None = None
    prediction_set: list[str] | None = None
    ood_score: float | None = None
    decision: str | None = None
    error: str | None = None
    embedding: list[float] | None = None
    box: list[float] | None = None
    robustness: str | None = None


def as_dict(row: Row) -> dict[str, Any]:
    """A row by column, in the schema's order."""
    return {field.name: getattr(row, field.name) for field in fields(Row)}


def to_table(rows: Sequence[Row], metadata: dict[str, str]) -> pa.Table:
    """Rows as a table of `SCHEMA`, with `metadata` beside it."""
    columns = [pa.array([getattr(row, field.name) for row in rows], field.type) for field in SCHEMA]
    return pa.Table.from_arrays(columns, schema=SCHEMA.with_metadata(metadata))
