"""`cxrbench plugins check`: check that plugins keep the rules of their kind."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxrbench.cli.options import AsJson, OneFilePlugins
from cxrbench.cli.plugins import find_plugins
from cxrbench.cli.scaffold.choices import KindName
from cxrbench.errors import NothingFinished

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.testing.check import CheckResult
    from cxrbench.testing.run import PlannedCheck

CHECK_HEADINGS = ("plugin", "check", "result", "message", "remedy")


def check_plugin(
    what: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="A component (name or name:key=value), a plugin, or a .py file")
    ],
    kind: Annotated[KindName | None, typer.Option(help="The kind, if several kinds have the name")] = None,
    plugin: OneFilePlugins = None,
    as_json: AsJson = False,
) -> None:
    """Check that a plugin keeps the rules of its kind; exit 1 if it breaks one, 2 if unknown, 4 if most is skipped."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from cxrbench.cli.console import print_json, print_message, print_table
    from cxrbench.testing.run import hardly_checked, plan_checks
    from cxrbench.testing.subject import find_subjects, is_file

    host = find_plugins(plugin or (), besides=[Path(what)] if is_file(what) else [])
    results = _run_all(plan_checks(find_subjects(what, host, kind or "")))
    if as_json:
        print_json([_result_json(result) for result in results])
    else:
        print_table(CHECK_HEADINGS, _result_rows(results))
    print_message(_result_counts(results))
    for line in _untrained(results):
        print_message(f"warning: {line}")
    skipped = "; ".join(f"{subject}: {reason}" for subject, reason in hardly_checked(results).items())
    if any(result.state == "failed" for result in results):
        raise typer.Exit(1)
    if skipped:
        raise NothingFinished(f"not checked: {skipped}")


def _run_all(checks: Sequence[PlannedCheck]) -> list[CheckResult]:
    """Run the checks and discard the output of plugins and libraries."""
    from cxrbench.cli.console import ConsoleProgress
    from cxrbench.execution.worker_output import captured_output

    results = []
    with ConsoleProgress() as progress, TemporaryDirectory() as folder:
        progress.begin("checks", len(checks))
        for check in checks:
            with captured_output(Path(folder), 0):
                results.append(check.run())
            progress.advance("checks")
    return results


def _result_rows(results: Sequence[CheckResult]) -> list[tuple[str, ...]]:
    shown: set[str] = set()
    rows: list[tuple[str, ...]] = []
    for result in results:
        subject = "" if result.subject in shown else result.subject
        shown.add(result.subject)
        remedy = result.check.remedy if result.state == "failed" else ""
        rows.append((subject, result.check.name, result.state, result.message, remedy))
    return rows


def _result_counts(results: Sequence[CheckResult]) -> str:
    counts = Counter(result.state for result in results)
    return f"{len(results)} checks: {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped"


def _untrained(results: Sequence[CheckResult]) -> list[str]:
    """Return a line for each backbone that was checked without the pretrained weights that it declares."""
    from cxrbench.testing.backbone_weights import UNTRAINED

    return [
        f"{result.subject}: {result.message}"
        for result in results
        if result.check.name == "loads-weights" and result.state == "skipped" and result.message.startswith(UNTRAINED)
    ]


def _result_json(result: CheckResult) -> dict[str, Any]:
    return {
        "plugin": result.subject,
        "check": result.check.name,
        "result": result.state,
        "message": result.message,
        "reason": result.check.reason,
        "remedy": result.check.remedy,
    }
