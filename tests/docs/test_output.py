"""The page on the output of commands has every column and key that they print."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from dataclasses import fields

import pytest

from cxrbench.benchmark.estimate import Estimate, RecipeEstimate
from cxrbench.benchmark.explain import files
from cxrbench.benchmark.fine_tuning.estimate import NetworkEstimate
from cxrbench.cli import compare, evaluate, plan, plugins, plugins_check, prediction_lines
from cxrbench.cli.doctor.diagnosis import Diagnosis
from cxrbench.evaluation.prediction_csv import TABLE_COLUMNS
from cxrbench.leaderboard.comparison import Difference

PRINTED = {
    "cxrbench predict": (prediction_lines.COLUMNS, prediction_lines.VALUE_COLUMNS, prediction_lines.json_line),
    "cxrbench leaderboard --predictions": (TABLE_COLUMNS,),
    "skipped.csv": (("key", "reason"),),
    "cxrbench evaluate --json": (evaluate._record, evaluate._figures_record),
    "cxrbench compare --json": (compare.compare, Difference),
    "cxrbench run --plan --json": (plan.print_plan, Estimate, RecipeEstimate, NetworkEstimate),
    "maps.json": (files.write_maps, files.about_all, files._facts),
    "cxrbench doctor --json": (Diagnosis,),
    "cxrbench plugins list --json": (plugins._plugin_json,),
    "cxrbench plugins check --json": (plugins_check._result_json,),
}


def names_of(printed):
    """Return the names of columns, the fields of a record, or the keys that a function writes."""
    if isinstance(printed, tuple):
        return set(printed)
    if isinstance(printed, type):
        return {field.name for field in fields(printed)}
    nodes = ast.walk(ast.parse(textwrap.dedent(inspect.getsource(printed))))
    return {
        key.value
        for node in nodes
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant) and str(key.value).islower()
    }


@pytest.mark.parametrize("title", PRINTED)
def test_every_column_and_key_is_listed(documents, title):
    page = documents["docs/reference/output.md"].text
    (section,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    listed = set(re.findall(r"`(\w+)`", section))
    names = set().union(*map(names_of, PRINTED[title]))
    assert len(names) >= 2
    assert names - listed == set()
