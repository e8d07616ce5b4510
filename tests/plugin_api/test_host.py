"""The host: it finds plugins, isolates broken ones and looks up names."""

import json
import shutil

import pytest

from cxrbench.errors import ConfigError, CxrbenchError, PluginError, UnknownName
from cxrbench.plugin.host import load_host
from cxrbench.plugin.references import load_file
from cxrbench.plugin.specs import Augmentation, Backbone, Dataset, Engine, Imbalance

BROKEN = {
    "broken_import": "ModuleNotFoundError: No module named 'no_such_module_anywhere'",
    "mistyped_hook": "PluginValidationError: unknown hook 'register_backbone' in plugin",
    "wrong_argument": "PluginValidationError: Plugin",
    "wrong_type": "PluginError: register_backbones returned Imbalance(",
    "factory_object": "PluginError: direct: factory must be an import string 'module:attribute'",
    "not_kebab": "PluginError: backbone name 'My_Net' is not kebab-case",
    "returns_nothing": "TypeError: 'NoneType' object is not iterable",
    "raising_register": "RuntimeError: the licence server :x: is away",
}

DECLARES = """
from cxrbench import Backbone, hookimpl

RECEIVED = []

@hookimpl
def register_backbones():
    return [Backbone(name="{name}", factory=f"{{__name__}}:embed")]

@hookimpl
def on_entry(entry):
    RECEIVED.append(entry)
"""


def names(host, kind):
    return [declaration.spec.name for declaration in host.declarations(kind)]


def problems(host):
    return {plugin.name: plugin.problem for plugin in host.plugins if plugin.problem}


def test_first_party_plugins_load_and_each_kind_has_its_default():
    host = load_host()
    assert problems(host) == {}
    for kind, name in ((Dataset, "phantom"), (Augmentation, "none"), (Imbalance, "none"), (Engine, "optuna")):
        assert host.find(kind, name).spec.name == name
    assert names(host, Backbone) == sorted(names(host, Backbone))


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_has_a_problem_and_others_still_load(name, files):
    host = load_host([files(name), files("good")])
    broken, good = host.plugins[-2:]
    assert broken.problem.startswith(BROKEN[name])
    assert "\n" not in broken.problem
    assert broken.declares == broken.hooks == ()
    assert good.problem == ""
    assert {"coarse-pixels", "texture"} <= set(names(host, Backbone))


def test_a_wrong_callback_argument_is_named_in_the_problem(files):
    host = load_host([files("wrong_argument")])
    lines = []
    assert "colour" in host.plugins[-1].problem or "on_entry" in host.plugins[-1].problem
    host.notify("on_entry", lines.append, entry=1)
    assert lines == []


def test_all_broken_plugins_together_are_listed_with_exit_code_0(files, workspace):
    flags = [flag for name in (*BROKEN, "good") for flag in ("--plugin", files(name))]
    done = workspace.call("plugins", "list", "--json", *flags)
    assert (done.returncode, done.stderr) == (0, "")
    found = {plugin["name"]: plugin for plugin in json.loads(done.stdout)}
    for name, problem in BROKEN.items():
        plugin = found[str(files(name))]
        assert plugin["status"] == "problem"
        assert plugin["problem"].startswith(problem)
        assert plugin["declares"] == []
    assert found[str(files("good"))]["status"] == "ok"
    assert found["cxrbench-backbones"]["status"] == "ok"


def test_a_plugin_that_calls_sys_exit_is_isolated(files, listed):
    found = dict(listed("--plugin", files("exits"), "--plugin", files("good")))
    assert found[str(files("exits"))]["problem"].startswith("SystemExit")
    assert found[str(files("good"))]["status"] == "ok"


def test_the_table_prints_a_problem_literally(files, workspace):
    done = workspace.call_here("plugins", "list", "--plugin", files("raising_register"))
    assert done.returncode == 0
    assert ":x:" in done.stdout


def test_an_error_is_printed_literally(files, workspace):
    done = workspace.call_here("run", "--backbone", "half-declared", "--offline", "--plugin", files("raising_register"))
    assert done.returncode == 2
    assert "the licence server :x: is away" in done.stderr


def test_a_one_file_plugin_is_listed_with_what_it_declares(files, listed):
    found = dict(listed("--plugin", files("good")))[str(files("good"))]
    assert found["declares"] == [{"kind": "backbone", "name": "coarse-pixels", "summary": "every eighth pixel", "requires": []}]
    assert found["hooks"] == ["register_backbones"]


def test_the_table_shows_names_and_summaries(files, workspace):
    done = workspace.call_here("plugins", "list", "--plugin", files("good"))
    assert done.returncode == 0
    assert "coarse-pixels" in done.stdout
    assert "every eighth pixel" in done.stdout


@pytest.mark.parametrize("command", [("plugins", "list"), ("run", "--offline"), ("data", "inspect", "phantom")])
def test_a_missing_plugin_file_is_a_usage_error(command, workspace):
    done = workspace.call_here(*command, "--plugin", "nowhere/mine.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --plugin nowhere/mine.py: file not found\n"


def test_a_file_that_is_not_python_is_a_problem(tmp_path):
    (tmp_path / "notes.txt").write_text("dear diary")
    (tmp_path / "notes.py").write_text("dear diary")
    text, source = load_host([tmp_path / "notes.txt", tmp_path / "notes.py"]).plugins[-2:]
    assert "name of a one-file plugin ends in .py" in text.problem
    assert source.problem.startswith("SyntaxError: ")


def test_the_same_file_given_twice_counts_once(tmp_path):
    file = tmp_path / "twice.py"
    file.write_text(DECLARES.format(name="seen-twice"))
    host = load_host([file, file])
    host.notify("on_entry", pytest.fail, entry="an entry")
    assert problems(host) == {}
    assert host.find(Backbone, "seen-twice").plugin.file == file
    assert load_file(file).RECEIVED == ["an entry"]


def test_files_of_the_same_name_in_two_folders_do_not_mix(tmp_path):
    paths = [tmp_path / folder / "mine.py" for folder in ("left", "right")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(DECLARES.format(name=f"from-{path.parent.name}"))
    host = load_host(paths)
    assert problems(host) == {}
    assert [host.find(Backbone, f"from-{side}").plugin.file for side in ("left", "right")] == paths


def test_a_duplicate_name_is_an_error_with_owners_and_a_remedy(files):
    host = load_host([files("duplicate")])
    with pytest.raises(PluginError) as caught:
        host.find(Backbone, "texture")
    for word in ("texture", "cxrbench-backbones", str(files("duplicate")), "--without"):
        assert word in str(caught.value)


def test_a_duplicate_name_does_not_affect_other_names(files):
    host = load_host([files("duplicate")])
    assert host.find(Backbone, "only-here").plugin.name == str(files("duplicate"))
    assert host.find(Backbone, "random-convnet").plugin.name == "cxrbench-backbones"
    assert set(problems(host)) == {str(files("duplicate")), "cxrbench-backbones"}


@pytest.mark.parametrize(("blocked", "owner"), [("duplicate", "cxrbench-backbones"), ("cxrbench-backbones", "duplicate")])
def test_blocking_one_owner_resolves_a_duplicate_name(blocked, owner, files):
    host = load_host([files("duplicate")], without=[blocked])
    assert owner in host.find(Backbone, "texture").plugin.name
    assert problems(host) == {}


def test_a_run_with_a_duplicate_name_is_a_usage_error(files, workspace):
    done = workspace.call_here("run", "--backbone", "texture", "--offline", "--plugin", files("duplicate"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: backbone 'texture' is declared by ")
    assert "Traceback" not in done.stderr


def test_the_error_for_an_unknown_name_suggests_similar_ones():
    with pytest.raises(UnknownName, match="unknown backbone 'textur': did you mean texture"):
        load_host().find(Backbone, "textur")


def test_the_error_for_a_name_like_no_other_lists_all():
    with pytest.raises(UnknownName, match="known: gentle, none, paper, strong"):
        load_host().find(Augmentation, "qqqq")


def test_the_error_for_an_unknown_name_lists_broken_plugins(files):
    with pytest.raises(ConfigError) as caught:
        load_host([files("broken_import")]).find(Backbone, "mine")
    assert "unknown backbone 'mine'" in str(caught.value)
    assert str(files("broken_import")) in str(caught.value)
    assert "No module named 'no_such_module_anywhere'" in str(caught.value)


@pytest.mark.parametrize("how", ["flag", "CXRBENCH_BLOCK", "CXRBENCH_WITHOUT"])
def test_a_blocked_file_is_not_imported(how, files, listed, tmp_path):
    mark, file = tmp_path / "mark", shutil.copy(files("marks_import"), tmp_path)  # a file is imported once in a process
    said = {"environment": {}, "flags": ("--without", "marks_import")} if how == "flag" else None
    said = said or {"environment": {how: "other marks_import"}, "flags": ()}
    found = dict(listed("--plugin", file, *said["flags"], MARK=str(mark), **said["environment"]))[file]
    assert (found["status"], found["problem"], found["declares"]) == ("blocked", "", [])
    assert not mark.exists()
    listed("--plugin", file, MARK=str(mark))
    assert mark.exists()


def test_a_blocked_entry_point_is_not_imported(site, listed, tmp_path):
    mark = tmp_path / "mark"
    site("marker", {"marker": "marker_plugin"}, {"marker_plugin": f"open({str(mark)!r}, 'w').close()\n"})
    found = dict(listed("--without", "marker"))["marker"]
    assert (found["status"], found["distribution"], found["version"]) == ("blocked", "marker", "1.0")
    assert not mark.exists()
    listed()
    assert mark.exists()


def test_names_of_a_blocked_plugin_are_unknown(workspace):
    done = workspace.call_here("run", "--backbone", "texture", "--offline", CXRBENCH_BLOCK="cxrbench-backbones")
    assert done.returncode == 2
    assert "unknown backbone 'texture'" in done.stderr


def test_without_any_backbone_the_error_does_not_mention_weights(workspace):
    done = workspace.call_here("run", "--no-controls", "--offline", "--without", "cxrbench-backbones")
    assert done.returncode == 2
    assert "backbone" in done.stderr
    assert "weights of  are" not in done.stderr


def test_a_duplicate_entry_point_is_a_problem_with_both_owners(site, listed):
    site("first-lab", {"lab": "first_lab"}, {"first_lab": DECLARES.format(name="first-net")})
    site("second-lab", {"lab": "second_lab"}, {"second_lab": DECLARES.format(name="second-net")})
    twins = [plugin for name, plugin in listed() if name == "lab"]
    assert [plugin["distribution"] for plugin in twins] == ["first-lab", "second-lab"]
    assert [plugin["status"] for plugin in twins] == ["ok", "problem"]
    assert "first-lab and second-lab" in twins[1]["problem"]


def test_a_module_shared_by_two_entry_points_is_notified_once(site):
    site("shared-lab", {"lab-a": "shared_lab", "lab-b": "shared_lab"}, {"shared_lab": DECLARES.format(name="shared")})
    host = load_host()
    host.notify("on_entry", pytest.fail, entry="an entry")
    import shared_lab

    assert host.find(Backbone, "shared").plugin.name == "lab-a"
    assert shared_lab.RECEIVED == ["an entry"]


def test_a_broken_distribution_is_listed_with_its_version(site, listed):
    site("torn", {"torn": "torn_plugin"}, {"torn_plugin": "1 / 0\n"})
    found = dict(listed())
    assert found["torn"]["problem"] == "ZeroDivisionError: division by zero"
    assert found["torn"]["version"] == "1.0"
    assert found["cxrbench-engines"]["status"] == "ok"


def test_callbacks_get_only_the_arguments_they_name(files):
    host = load_host([files("observer")])
    received = load_file(files("observer")).RECEIVED
    received.clear()
    host.notify("on_trial_end", pytest.fail, recipe="a recipe", stage="head", trial="a trial")
    host.notify("on_run_end", pytest.fail, board="a board")
    assert received == [("trial", "a trial"), ("run", None)]


@pytest.mark.parametrize("order", [("raising_observer", "observer"), ("observer", "raising_observer")])
def test_a_raising_callback_is_reported_and_others_are_called(order, files):
    host = load_host([files(name) for name in order])
    received, lines = load_file(files("observer")).RECEIVED, []
    received.clear()
    host.notify("on_entry", lines.append, entry="entry 3")
    assert received == [("entry", "entry 3")]
    assert lines == [f"plugin {files('raising_observer')} failed in on_entry: ValueError: cannot post entry 3"]


def test_a_callback_that_keeps_raising_is_reported_once_an_event(tmp_path):
    file = tmp_path / "grumbling.py"
    file.write_text(
        "from cxrbench import hookimpl\n\nCALLS = []\n\n"
        "@hookimpl\ndef on_entry(entry):\n    CALLS.append(entry)\n    raise ValueError(entry)\n\n"
        "@hookimpl\ndef on_run_end(board):\n    raise OSError(board)\n"
    )
    host, lines = load_host([file]), []
    for number in range(3):
        host.notify("on_entry", lines.append, entry=number)
        host.notify("on_run_end", lines.append, board="board")
    assert lines == [f"plugin {file} failed in on_entry: ValueError: 0", f"plugin {file} failed in on_run_end: OSError: board"]
    assert load_file(file).CALLS == [0, 1, 2]


def test_an_event_without_callbacks_is_no_error():
    load_host().notify("on_run_start", pytest.fail, protocol=None, recipes=())


@pytest.mark.parametrize("error", [ConfigError, PluginError, UnknownName])
def test_errors_of_the_host_have_exit_code_2(error):
    assert issubclass(error, CxrbenchError)
    assert error.exit_code == 2
