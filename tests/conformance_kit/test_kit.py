"""The three ways to run checks: from Python, as pytest tests, and from the command line."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from cxrbench.errors import ConfigError, UnknownName, WorkersUnavailable
from cxrbench.testing import ContractBroken, parametrize_with_checks, run_checks
from cxrbench.testing.parametrize import Conformance
from cxrbench.testing.run import hardly_checked, plan_checks
from cxrbench.testing.subject import subjects_of

MUTANTS = Path(__file__).parent / "mutants"
NOISY = """
import os

from cxrbench.plugin import Balance, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="noisy", factory=f"{__name__}:decide")]


def decide(fold, *, seed):
    print("LOUD")
    os.write(2, b"LOUD")
    return Balance()
"""


@pytest.fixture
def check(workspace):
    """Run `cxrbench plugins check` in an empty folder, in a process of its own."""
    return partial(workspace.call, "plugins", "check")


@pytest.fixture
def check_here(workspace):
    """Run `cxrbench plugins check` in an empty folder, in this process."""
    return partial(workspace.call_here, "plugins", "check")


def states(results):
    return {result.check.name: result.state for result in results}


def test_a_name_of_two_kinds_means_both_unless_a_kind_is_given():
    assert {result.subject for result in run_checks("none")} == {"augmentation none", "imbalance none"}
    assert {result.subject for result in run_checks("none", kind="imbalance")} == {"imbalance none"}


def test_the_name_of_a_plugin_means_all_its_components():
    found = {str(subject) for subject in subjects_of("cxrbench-imbalances")}
    assert {"imbalance smote", "imbalance focal"} <= found
    assert all(subject.startswith("imbalance ") for subject in found)


def test_options_are_passed_to_the_checked_component():
    assert states(run_checks("smote:k_neighbors=3"))["builds"] == "passed"
    with pytest.raises(UnknownName, match="did you mean k_neighbors"):
        run_checks("smote:k_neighbours=3")


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownName, match="unknown imbalance 'smot': did you mean smote"):
        run_checks("smot", kind="imbalance")


def test_an_expected_failure_does_not_count_as_failed():
    file = MUTANTS / "needs_many.py"
    results = run_checks(file, expected_failures={"few-rows": "nobody trains on two images"})
    assert states(results)["few-rows"] == "expected"
    assert "failed" not in states(results).values()


def test_an_expected_failure_that_passes_counts_as_failed():
    results = {result.check.name: result for result in run_checks("focal", expected_failures={"weights": "it has none"})}
    assert results["weights"].state == "failed"
    assert "was expected to fail (it has none)" in results["weights"].message


@pytest.mark.parametrize(
    ("expected", "message"),
    [({"colour": "red"}, "unknown check of this kind: colour"), ({"weights": " "}, "the reason is missing for weights")],
)
def test_an_expected_failure_needs_a_known_check_and_a_reason(expected, message):
    with pytest.raises(ConfigError, match=message):
        run_checks("focal", expected_failures=expected)


def conformance(what, name, **options):
    (planned,) = [planned for planned in plan_checks(subjects_of(what), options) if planned.check.name == name]
    return Conformance(planned)


def test_a_failed_check_fails_a_test_with_its_remedy():
    with pytest.raises(ContractBroken) as caught:
        conformance(MUTANTS / "needs_many.py", "few-rows")()
    assert "with 2 rows of the rarer class, it raises IndexError" in str(caught.value)
    assert "remedy: raise cxrbench.plugin.ConfigError" in str(caught.value)


def test_a_skipped_check_skips_a_test_with_its_reason():
    with pytest.raises(pytest.skip.Exception, match="it makes no synthetic rows"):
        conformance("focal", "synthetic")()


def test_an_expected_failure_marks_a_test_as_xfail():
    with pytest.raises(pytest.xfail.Exception, match="nobody trains on two images"):
        conformance(MUTANTS / "needs_many.py", "few-rows", **{"few-rows": "nobody trains on two images"})()


@parametrize_with_checks("focal", "fixed")  # test_first_party.py does so with a file
def test_the_decorator_makes_one_test_for_each_check(check):
    check()


def test_test_ids_name_the_component_and_the_check():
    mark = parametrize_with_checks("focal").mark
    assert "imbalance-focal-minority-kept" in mark.kwargs["ids"]


@pytest.mark.parametrize("what", ["no_such_thing", "no/such/file.py"])
def test_the_command_exits_with_2_for_an_unknown_name(what, check_here):
    done = check_here(what)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert what in done.stderr


def test_the_command_exits_with_0_and_a_table_on_success(check_here):
    done = check_here("focal")
    assert done.returncode == 0, done.stderr
    assert "minority-kept" in done.stdout
    assert done.stderr.splitlines()[-1] == "17 checks: 14 passed, 0 failed, 3 skipped"
    assert "it makes no synthetic rows" in done.stdout


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("folder", "dataset folder: 8 of 16 checks were skipped: it needs a source: cxrbench plugins check folder:source=PATH"),
        (
            "keras-file",
            "backbone keras-file: 15 of 20 checks were skipped: it needs options: cxrbench plugins check keras-file:",
        ),
    ],
)
def test_what_could_not_be_built_was_not_checked(what, reason, check_here):
    done = check_here(what, "--json")
    assert done.returncode == 4
    assert done.stderr.splitlines()[-1].startswith(f"error: not checked: {reason}")
    assert "failed" not in {found["result"] for found in json.loads(done.stdout)}


def test_one_component_of_a_plugin_that_was_not_checked_is_named(check_here):
    done = check_here("cxrbench-datasets", "--json")
    assert done.returncode == 4
    last = done.stderr.splitlines()[-1]
    assert [name for name in ("folder", "manifest", "medmnist", "phantom") if f"dataset {name}: " in last] == [
        *("folder", "manifest", "medmnist")
    ]


NEEDS_A_FILE = """
from cxrbench.plugin import Balance, ConfigError, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="from-file", factory=f"{__name__}:decide")]


def decide(fold, *, seed, file: str):
    open(file).close()
    return Balance()
"""


def test_a_single_file_is_checked_with_options(check_here, tmp_path):
    (tmp_path / "own.py").write_text(NEEDS_A_FILE)
    (tmp_path / "rates.csv").write_text("")
    done = check_here("own.py")
    assert done.returncode == 4
    command = "cxrbench plugins check from-file:file=... --plugin own.py"
    assert command in done.stderr
    assert check_here(*command.replace("...", "rates.csv").split()[3:]).returncode == 0


def test_options_of_a_file_are_answered_with_the_command(check_here, tmp_path):
    (tmp_path / "own.py").write_text(NEEDS_A_FILE)
    done = check_here("own.py:file=rates.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert "cxrbench plugins check NAME:file=rates.csv --plugin own.py" in done.stderr


def test_an_unknown_name_with_options_suggests_the_nearest(check_here):
    done = check_here("smot:k_neighbors=3")
    assert done.returncode == 2
    assert "unknown component 'smot': did you mean smote" in done.stderr


def test_a_component_of_which_most_was_skipped_was_not_checked():
    results = run_checks("focal")
    assert hardly_checked(results) == {}
    skipped = [replace(result, state="skipped", message="no reason") for result in results[8:]]
    assert hardly_checked([*results[:8], *skipped]) == {"imbalance focal": "9 of 17 checks were skipped: no reason"}
    assert hardly_checked([*results[:9], *skipped[1:]]) == {}


@pytest.mark.slow
def test_a_network_without_its_weights_is_said_to_be_untrained(check_here, tensorflow_ready):
    done = check_here("mobilenet:alpha=0.5")
    assert done.returncode == 0
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        "warning: backbone mobilenet:alpha=0.5: an untrained network was checked: mobilenet_5_0_224_tf_no_top.h5"
    )


def test_the_command_exits_with_1_and_a_remedy_on_failure(check):
    done = check(MUTANTS / "needs_many.py")
    assert done.returncode == 1
    text = " ".join(done.stdout.split())
    assert "few-rows" in text
    assert "failed" in text
    assert "with 2 rows" in text
    assert "ConfigError" in text
    assert "Traceback" not in done.stderr


def test_the_command_prints_json(check_here):
    done = check_here(MUTANTS / "not_loading.py", "--json")
    assert done.returncode == 1
    (found,) = json.loads(done.stdout)
    assert (found["check"], found["result"]) == ("loads", "failed")
    assert "register_backbone" in found["message"]
    assert found["reason"]
    assert found["remedy"]


def test_output_of_a_plugin_is_not_shown(check, tmp_path):
    (tmp_path / "noisy.py").write_text(NOISY)
    done = check("noisy.py", "--json")
    assert done.returncode == 0
    assert all(found["result"] != "failed" for found in json.loads(done.stdout))
    assert "LOUD" not in done.stdout + done.stderr


def test_checks_do_not_import_pytest():
    code = "import sys; from cxrbench.testing import run_checks; run_checks('focal'); sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_keras_that_cannot_be_imported_is_not_the_plugins_fault(monkeypatch):
    def missing():
        raise WorkersUnavailable("Keras cannot be imported: no module")

    monkeypatch.setattr("cxrbench.testing.run.import_keras", missing)
    with pytest.raises(WorkersUnavailable, match="Keras cannot be imported"):
        run_checks("random-convnet", kind="backbone")
