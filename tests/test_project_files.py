"""The files around the code: citation, changelog, workflows and container agree with the package."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def released_versions():
    return re.findall(r"^## \[(\d[^\]]*)\]", text_of("CHANGELOG.md"), re.MULTILINE)


def test_the_citation_is_complete_and_of_this_version():
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert citation.keys() >= {"message", "title", "authors", "type", "version", "license"}
    assert all({"name"} <= author.keys() or {"family-names"} <= author.keys() for author in citation["authors"])
    assert citation["version"] == PROJECT["tool"]["setuptools_scm"]["fallback_version"]
    assert citation["license"] == PROJECT["project"]["license"].split(" AND ")[0]


def test_the_changelog_ends_with_the_version_of_the_package():
    assert re.search(r"^## \[Unreleased\]$", text_of("CHANGELOG.md"), re.MULTILINE)
    assert released_versions()[:1] in ([], [PROJECT["tool"]["setuptools_scm"]["fallback_version"]])
    kinds = set(re.findall(r"^### (.*)$", text_of("CHANGELOG.md"), re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_pin_actions_and_ask_for_few_permissions(workflow):
    read = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    assert read["permissions"] in ({}, {"contents": "read"})
    for job in read["jobs"].values():
        assert job["timeout-minutes"] <= 60
        assert set(job.get("permissions", {}).values()) <= {"read"} or job.keys() & {"environment"}
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_actions_have_one_version_in_all_workflows():
    used = {match for path in WORKFLOWS for match in re.findall(r"uses: ([^@]+)@(\w+)", path.read_text(encoding="utf-8"))}
    assert len(used) == len(dict(used))


def test_ci_runs_the_checks_of_this_repository():
    steps = yaml.safe_load(text_of(".github/workflows/ci.yml"))["jobs"]["linux"]["steps"]
    assert {step.get("run") for step in steps} >= {".ci/run"}
    assert (ROOT / ".ci" / "run").is_file()


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_issue_forms_have_a_title_and_fields_with_names(form):
    read = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert read.keys() >= {"name", "description", "body"}
    fields = [field for field in read["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)


def test_the_container_has_a_supported_python_and_no_root():
    lines = text_of("Dockerfile").splitlines()
    pythons = {match[1] for line in lines if (match := re.match(r"FROM python:(\d\.\d+)-slim", line))}
    supported = {line.rsplit(" ", 1)[1] for line in PROJECT["project"]["classifiers"] if "Python :: 3." in line}
    assert pythons
    assert pythons <= supported
    assert lines.index("USER 1000") < lines.index('ENTRYPOINT ["cxrbench"]')
    assert f"ARG VERSION={PROJECT['tool']['setuptools_scm']['fallback_version']}" in lines


def test_the_container_is_built_from_what_the_wheel_needs():
    allowed = {line[1:] for line in text_of(".dockerignore").splitlines() if line.startswith("!")}
    licences = {Path(path).parts[0] for path in PROJECT["project"]["license-files"]}
    packages = {"cxrbench", *PROJECT["tool"]["setuptools"]["packages"]["find"]["where"]} - {"."}
    assert allowed == {"pyproject.toml", PROJECT["project"]["readme"], *licences, *packages}
