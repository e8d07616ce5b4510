"""Measure how long the tables of public collections take to read, and how much memory: figures for RESULTS.md.

    python benchmarks/public_collections.py

The tables are written at full size, without images. Each is read in a process of its own, from the start of the factory to the
list of all images, with every view and all negatives, which lists the most.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
from published_tables import TABLES

MOST = {"negatives": "all", "views": "all", "label": "uncertain-as-positive"}


def main() -> None:
    """Print a Markdown table with a line for each collection."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--read", nargs=2, metavar=("NAME", "FOLDER"))
    arguments = parser.parse_args()
    if arguments.read:
        print(json.dumps(_read(*arguments.read)))
        return
    print(f"{machine.describe()}\n\n| collection | images | seconds | of the processor | memory, MB |\n|---|---|---|---|---|")
    for name, write in TABLES.items():
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder))
            command = [sys.executable, __file__, "--read", name, folder]
            found = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
        seconds, megabytes = f"{found['seconds']:.1f} | {found['processor']:.1f}", f"{found['megabytes']:,.0f}"
        print(f"| `{name}` | {found['images']:,} | {seconds} | {megabytes} |")


def _read(name: str, folder: str) -> dict[str, float]:
    from cxrbench.config.options import signature_of
    from cxrbench.data.source import find_dataset
    from cxrbench.plugin.host import load_host

    part = find_dataset(f"{name}:source='{folder}'", load_host())
    factory = part.factory()
    known = signature_of(factory).parameters
    options = {option: value for option, value in MOST.items() if option in known}
    start, used = time.perf_counter(), time.process_time()
    images = factory(folder, **options)
    seconds, processor = time.perf_counter() - start, time.process_time() - used
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {
        "images": len(images.records),
        "seconds": seconds,
        "processor": processor,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
    }


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
