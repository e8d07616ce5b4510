"""`cxrbench plugins check`: hold a plugin against the rules."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cxrbench.cli.plugins import find_plugins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.testing.check import CheckResult
    from cxrbench.testing.run import PlannedCheck

KindName = Literal["dataset", "backbone", "augmentation", "imbalance", "engine"]
HEADINGS = ("plugin", "check", "result", "what was wrong", "remedy")


def check_plugin(
    what: Annotated[str, typer.Argument(metavar="NAME|FILE", help="name, name:key=value, a plugin's name, or a .py file")],
    kind: Annotated[KindName | None, typer.Option(help="For a name that several kinds have")] = None,
    plugin: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="A one-file plugin, repeatable")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON")] = False,
) -> None:
    """Check that a plugin keeps the rules of its kind; exit with 1 if it breaks one, 2 if there is no such plugin."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from cxrbench.cli.console import print_json, print_table, print_talk
    from cxrbench.testing.run import plan
    from cxrbench.testing.subject import find_subjects, is_file

    host = find_plugins(plugin or (), besides=[Path(what)] if is_file(what) else [])
    results = _carry_out(plan(find_subjects(what, host, kind or "")))
    if as_json:
        print_json([_facts(result) for result in results])
    else:
        print_table(HEADINGS, _rows(results))
    print_talk(_summary(results))
    if any(result.state == "failed" for result in results):
        raise typer.Exit(1)


def _carry_out(planned: Sequence[PlannedCheck]) -> list[CheckResult]:
    """Carry out the checks; what plugins and the libraries below them print is thrown away."""
    from cxrbench.cli.console import ConsoleProgress
    from cxrbench.execution.worker_output import captured_output

    results = []
    with ConsoleProgress() as progress, TemporaryDirectory() as folder:
        progress.begin("checks", len(planned))
        for one in planned:
            with captured_output(Path(folder), 0):
                results.append(one.run())
            progress.advance("checks")
    return results


def _rows(results: Sequence[CheckResult]) -> list[tuple[str, ...]]:
    shown: set[str] = set()
    rows: list[tuple[str, ...]] = []
    for result in results:
        first = "" if result.subject in shown else result.subject
        shown.add(result.subject)
        remedy = result.check.remedy if result.state == "failed" else ""
        rows.append((first, result.check.name, result.state, result.message, remedy))
    return rows


def _summary(results: Sequence[CheckResult]) -> str:
    counts = Counter(result.state for result in results)
    return f"{len(results)} checks: " + ", ".join(f"{counts[state]} {state}" for state in sorted(counts))


def _facts(result: CheckResult) -> dict[str, Any]:
    return {
        "plugin": result.subject,
        "check": result.check.name,
        "result": result.state,
        "message": result.message,
        "reason": result.check.reason,
        "remedy": result.check.remedy,
    }
