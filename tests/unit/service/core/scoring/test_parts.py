"""Rows in files, as other programs read them."""

import json
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import parquet

from service.core.scoring.parts import FILES, Format
from service.core.scoring.rows import Row

ROWS = [
    Row(
        input="a",
        path="p/a",
        sha256="0" * 64,
        label="tiger cat",
        index=282,
        probability=0.1,
        top_k=[{"label": "tiger cat", "index": 282, "probability": 0.1}],
        calibrated=True,
        prediction_set=["tiger cat", "Ägyptian cat"],
        embedding=[0.5, 0.25],
    ),
    Row(input="b", path=None, sha256=None, error="EmptyImage: no bytes"),
]


@pytest.mark.parametrize("form", list(Format))
def test_rows_come_back_as_they_were(tmp_path: Path, form: Format) -> None:
    FILES[form].write(tmp_path / "part", ROWS, {"seewhy.model": "tiny"})

    assert FILES[form].read(tmp_path / "part") == ROWS


def test_the_schema_is_the_documented_one(tmp_path: Path) -> None:
    FILES[Format.PARQUET].write(tmp_path / "part", ROWS, {"seewhy.model": "tiny"})

    schema = parquet.read_schema(tmp_path / "part")
    page = Path(__file__).parents[5] / "docs" / "scoring.md"
    lines = page.read_text(encoding="utf-8").split("## The columns")[1].splitlines()
    cells = [[cell.strip(" `") for cell in line.split("|")] for line in lines if "| `" in line]
    assert [(cell[1], cell[2]) for cell in cells] == [
        (field.name, str(field.type).replace("element: ", "")) for field in schema
    ]
    assert schema.metadata[b"seewhy.model"] == b"tiny"


def test_pandas_reads_parquet(tmp_path: Path) -> None:
    FILES[Format.PARQUET].write(tmp_path / "part.parquet", ROWS, {})

    found = pd.read_parquet(tmp_path / "part.parquet")

    assert found["index"].tolist()[0] == 282
    assert list(found["prediction_set"][0]) == ["tiger cat", "Ägyptian cat"]
    assert found["error"].tolist()[1] == "EmptyImage: no bytes"


def test_json_lines_are_plain_json(tmp_path: Path) -> None:
    FILES[Format.JSONL].write(tmp_path / "part", ROWS, {})

    first, second = map(json.loads, (tmp_path / "part").read_text("utf-8").splitlines())
    assert first["top_k"] == [{"label": "tiger cat", "index": 282, "probability": 0.1}]
    assert (second["input"], second["label"]) == ("b", None)
