"""Run the parts that are named, or all of them, and print what they found; status 1 where anything was not handled."""

import argparse
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

from torture.results import Row, table

# Each is a module of this package with `run(scratch: Path, seed: int) -> list[Row]`; `scratch` is an empty folder.
PARTS = (
    "kills",
    "malformed",
    "hostile",
)


def main() -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; all by default")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and inputs that are drawn (default 0)")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"{', '.join(sorted(unknown))}: expected some of {', '.join(PARTS)}")
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: sums are taken in one order
    rows: list[Row] = []
    for part in given.parts or PARTS:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"torture-{part}-") as scratch:
            found = importlib.import_module(f"torture.{part}").run(Path(scratch), given.seed)
        rows += found
        sys.stderr.write(f"{part}: {time.monotonic() - started:.0f} s\n")
    sys.stdout.write(table(rows) + "\n")
    return int(any(row.bad for row in rows))


if __name__ == "__main__":
    sys.exit(main())
