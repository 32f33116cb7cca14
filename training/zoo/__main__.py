"""`python -m training.zoo [NAME …] [--output FILE]`."""

import argparse
import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

from models.errors import SeeWhyError
from training.backbones import ZOO
from training.zoo.check import check
from training.zoo.table import table


def main(arguments: list[str] | None = None) -> int:
    """Check the backbones named, or all; write the table; 1 if any breaks a limit."""
    parser = argparse.ArgumentParser(description="Check the zoo against PyTorch.")
    parser.add_argument("names", nargs="*", default=[b.name for b in ZOO])
    parser.add_argument("--output", type=Path, help="write the table to this file")
    chosen = parser.parse_args(arguments)
    rows, failures = [], {}
    # A fresh process each: memory is measured, and a large backbone leaves nothing behind.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        for name in chosen.names:
            try:
                row = pool.submit(check, name).result()
            except SeeWhyError as error:
                failures[name] = str(error)
            else:
                rows.append(row)
                if row.faults:
                    failures[name] = "; ".join(row.faults)
                print(json.dumps(asdict(row)), flush=True)
            if name in failures:
                print(f"{name}: {failures[name]}", file=sys.stderr, flush=True)
    page = table(rows, failures)
    if chosen.output is None:
        print(page)
    else:
        chosen.output.write_text(page, encoding="utf-8")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
