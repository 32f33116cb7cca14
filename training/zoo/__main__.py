"""`python -m training.zoo [NAME …] [--output FILE]`."""

import argparse
import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

from training.backbones import ZOO
from training.zoo.check import Row, check
from training.zoo.table import table


def main(arguments: list[str] | None = None) -> int:
    """Check the backbones named, or all; write the table; 1 if any breaks a limit."""
    parser = argparse.ArgumentParser(description="Check the zoo against PyTorch.")
    parser.add_argument("names", nargs="*", default=[b.name for b in ZOO])
    parser.add_argument("--output", type=Path, help="write the table to this file")
    chosen = parser.parse_args(arguments)
    rows: list[Row] = []
    failures: dict[str, str] = {}
    for name in chosen.names:
        try:
            row = _in_own_process(name)
        except Exception as error:  # noqa: BLE001  # whatever it is goes into the table
            failures[name] = f"{type(error).__name__}: {error}"
        else:
            rows.append(row)
            if row.faults:
                failures[name] = "; ".join(row.faults)
            print(json.dumps(asdict(row)), flush=True)
        if name in failures:
            print(f"{name}: {failures[name]}", file=sys.stderr, flush=True)
        if chosen.output is not None:
            chosen.output.write_text(table(rows, failures), encoding="utf-8")
    if chosen.output is None:
        print(table(rows, failures))
    return 1 if failures else 0


def _in_own_process(name: str) -> Row:
    """Memory is measured; a large backbone leaves nothing behind, and dies alone."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(check, name).result()


if __name__ == "__main__":
    sys.exit(main())
