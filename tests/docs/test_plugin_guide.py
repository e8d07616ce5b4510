"""Every Python snippet of README, of the guide for plugins and of the tutorial on backbones works; the guide is complete."""

import inspect
import re
import runpy
from dataclasses import fields
from pathlib import Path

import pytest

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.plugin import ConfigError, Download, hooks
from cxrbench.plugin.host import load_host
from cxrbench.plugin.specs import Augmentation, Backbone, Dataset, Engine, Imbalance
from cxrbench.testing import checks_for, run_checks
from cxrbench.testing.run import plan_checks
from cxrbench.testing.subject import find_subjects

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "how-to" / "write-a-plugin.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
TUTORIAL = (ROOT / "docs" / "tutorials" / "your-backbone.md").read_text(encoding="utf-8")
KINDS = ("dataset", "backbone", "augmentation", "imbalance", "engine")
pytestmark = pytest.mark.usefixtures("tensorflow_ready")


def fenced(text):
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


SNIPPETS = [*fenced(GUIDE), *fenced(README), *fenced(TUTORIAL)]
PLUGINS = [snippet for snippet in SNIPPETS if "@hookimpl" in snippet]
TESTS = [snippet for snippet in SNIPPETS if "parametrize_with_checks" in snippet]
SCRIPTS = [snippet for snippet in SNIPPETS if snippet not in {*PLUGINS, *TESTS}]


def test_there_are_snippets_of_every_sort():
    assert len(PLUGINS) >= 7
    assert len(TESTS) == 1
    assert len(SCRIPTS) >= 1


@pytest.mark.parametrize("snippet", PLUGINS, ids=[re.search(r"def (\w+)", snippet)[1] for snippet in PLUGINS])
def test_every_documented_plugin_loads_and_passes_the_checks(snippet, tmp_path):
    file = tmp_path / "snippet.py"
    file.write_text(snippet)
    plugin = load_host([file]).plugins[-1]
    assert plugin.problem == ""
    assert plugin.hooks
    assert [(result.check.name, result.message) for result in run_checks(file) if result.state == "failed"] == []


def test_the_documented_weights_file_is_loaded(tmp_path):
    (snippet,) = [snippet for snippet in PLUGINS if "Download(" in snippet]
    (tmp_path / "squeezenet.py").write_text(snippet)
    host = load_host([tmp_path / "squeezenet.py"])
    drawn = bind(parse_component("squeezenet:weights=none"), host.find(Backbone, "squeezenet"))
    drawn.build(input_shape=(64, 64, 3), weights="none", seed=5).save_weights(tmp_path / "squeezenet.weights.h5")
    subjects = find_subjects(f"squeezenet:file='{tmp_path / 'squeezenet.weights.h5'}'", host)
    results = {check.check.name: check.run() for check in plan_checks(subjects)}
    assert {name: result.message for name, result in results.items() if result.state != "passed"} == {
        "own-space": "it declares no search space"
    }
    (tmp_path / "other.weights.h5").write_text("")
    damaged = bind(parse_component(f"squeezenet:file='{tmp_path / 'other.weights.h5'}'"), host.find(Backbone, "squeezenet"))
    with pytest.raises(ConfigError, match=r"other\.weights\.h5 does not hold the weights of these layers"):
        damaged.build(input_shape=(64, 64, 3), weights="imagenet", seed=0)


def test_every_field_of_a_download_is_explained():
    assert [field.name for field in fields(Download) if f"| `{field.name}` |" not in GUIDE] == []


@pytest.mark.parametrize("snippet", TESTS)
def test_the_test_file_of_the_guide_works(snippet, tmp_path, run_pytest):
    (tmp_path / "test_snippet.py").write_text(snippet.replace("squeezenet", "control-border"))
    done = run_pytest(tmp_path / "test_snippet.py")
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


SMALLER = {"chest_xray/": "images", '["densenet121"]': '["control-border"]', "trials=50": "trials=2"}
SETTINGS = {"HOME": "home", "IMAGE_SIZE": "64", "EPOCHS": "2", "AUGMENTATION": "none", "IMBALANCE": "none", "OFFLINE": "1"}


@pytest.mark.parametrize("snippet", SCRIPTS, ids=range(len(SCRIPTS)))
def test_every_script_of_the_documents_runs(snippet, tmp_path, monkeypatch, write_images):
    write_images("images", 200, 220)
    for written, smaller in SMALLER.items():
        snippet = snippet.replace(written, smaller)
    (tmp_path / "script.py").write_text(snippet)
    monkeypatch.chdir(tmp_path)
    for name, value in (SETTINGS | {"WORKERS": "0"}).items():
        monkeypatch.setenv(f"CXRBENCH_{name}", value)
    runpy.run_path("script.py", run_name="__main__")


def test_every_hook_is_documented_with_its_exact_signature():
    def is_specified(function):
        return inspect.isfunction(function) and hasattr(function, f"{hooks.PROJECT}_spec")

    specified = {name: function for name, function in vars(hooks).items() if is_specified(function)}
    expected = {f"{name}{inspect.signature(function)}".replace("'", "") for name, function in specified.items()}
    assert set(re.findall(r"^(?:register|on)_\w+\(.*$", GUIDE, re.MULTILINE)) == expected
    assert all(f"`{name}`" in GUIDE for name in specified)


@pytest.mark.parametrize("kind", KINDS)
def test_every_rule_is_listed(kind):
    listed = {row[0]: re.findall(r"`([a-z-]+)`", row[1]) for row in re.findall(r"^\| (\w+) \| (`.*`) \|$", GUIDE, re.MULTILINE)}
    checks = checks_for(kind)
    assert listed[kind] == [check.name for check in checks if check.kind == kind]
    assert listed["any"] == [check.name for check in checks if check.kind == "any"]


def test_the_rules_of_observers_are_listed():
    (row,) = re.findall(r"^\| observer \| (.*) \|$", GUIDE, re.MULTILINE)
    own = [check.name for check in checks_for("observer") if check.kind == "observer"]
    assert re.findall(r"`([a-z-]+)`", row) == [*own, "loads", "light-import"]


@pytest.mark.parametrize("spec", [Dataset, Backbone, Augmentation, Imbalance, Engine])
def test_every_field_of_a_declaration_is_explained(spec):
    missing = [name for name in (field.name for field in fields(spec)) if not re.search(rf"`{name}\b", GUIDE)]
    assert missing == []
