"""The tables of `cxrbench data inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.data.overview import Cell, Range

SHOWN_CELLS = 40
UNKNOWN = "unknown"


def print_composition(dataset: LoadedDataset) -> None:
    """Print the images of each class by split, view and sex, as far as any of these is known."""
    from cxrbench.cli import console
    from cxrbench.data.overview import composition

    cells = composition(dataset.records)
    columns = [name for name in ("split", "view", "sex") if any(getattr(cell, name) for cell in cells)]
    rows = [(*_values(cell, columns), *_counts(cell.negatives, cell.positives, cell.patients)) for cell in cells]
    if len(rows) > 1:
        negatives, positives = sum(cell.negatives for cell in cells), sum(cell.positives for cell in cells)
        total = ("all", *[""] * (len(columns) - 1), *_counts(negatives, positives, len(set(dataset.patients))))
        rows = [*rows[:SHOWN_CELLS], total]
    console.print_table((*(f"source's {name}" if name == "split" else name for name in columns), *_headings(dataset)), rows)
    if len(cells) > SHOWN_CELLS:
        console.print_message(
            f"the first {SHOWN_CELLS} of {len(cells):,} rows are shown: {', '.join(columns)} have many values"
        )


def print_ages(dataset: LoadedDataset) -> None:
    """Print the ages of each class, if any is known."""
    from cxrbench.data.overview import ages_by_label

    ages = ages_by_label(dataset.records)
    if any(one.middle is not None for one in ages):
        _print_ranges("age in years", ages, dataset)


def print_sizes(dataset: LoadedDataset) -> None:
    """Print the width and the height of each class, if the images were opened."""
    from cxrbench.data.overview import sizes_by_label

    if dataset.files:
        _print_ranges("width in pixels", sizes_by_label(dataset.records, dataset.files, "width"), dataset)
        _print_ranges("height in pixels", sizes_by_label(dataset.records, dataset.files, "height"), dataset)


def _headings(dataset: LoadedDataset) -> tuple[str, ...]:
    return "images", dataset.class_names.negative, dataset.class_names.positive, "patients"


def _values(cell: Cell, columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(as_line(getattr(cell, name)) or UNKNOWN for name in columns)


def _counts(negatives: int, positives: int, patients: int) -> tuple[str, ...]:
    return tuple(f"{count:,}" for count in (negatives + positives, negatives, positives, patients))


def _print_ranges(name: str, ranges: Sequence[Range], dataset: LoadedDataset) -> None:
    from cxrbench.cli import console

    classes = dataset.class_names.negative, dataset.class_names.positive
    rows = [
        (label, *map(_number, (one.least, one.middle, one.most)), f"{one.unknown:,}")
        for label, one in zip(classes, ranges, strict=True)
    ]
    console.print_table((name, "min", "median", "max", UNKNOWN), rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{round(value, 1):g}"
