"""The plugin API: its version, its stable signatures, and deprecations."""

import inspect
import types

import pytest

from cxrbench.plugin import API_VERSION, hooks, host
from cxrbench.plugin.host import load_host

V1 = {
    "register_datasets": (),
    "register_backbones": (),
    "register_augmentations": (),
    "register_imbalances": (),
    "register_engines": (),
    "on_run_start": ("protocol", "recipes"),
    "on_trial_end": ("recipe", "stage", "trial"),
    "on_entry": ("entry",),
    "on_run_end": ("board",),
}
"""The arguments of every hook of API 1.0. Never remove anything while API_VERSION starts with 1."""

OBSERVER = """
from cxrbench import Backbone, hookimpl

{requires}

@hookimpl
def register_backbones():
    return [Backbone(name="asks", factory=f"{{__name__}}:build")]

@hookimpl
def on_entry(entry):
    pass
"""


@pytest.fixture
def load_plugin(tmp_path):
    """Return a function that loads a one-file plugin with a `requires_api` and returns the plugin."""

    def load(requires=""):
        file = tmp_path / "asks.py"
        file.write_text(OBSERVER.format(requires=requires))
        return load_host([file]).plugins[-1]

    return load


@pytest.fixture
def deprecate(monkeypatch):
    """Return a function that deprecates the hook `on_entry` or one of its arguments."""

    def change(**options):
        changed = types.SimpleNamespace(**vars(hooks))

        def on_entry(entry):
            """Called when an entry has been written."""

        changed.on_entry = hooks.hookspec(**options)(on_entry)
        monkeypatch.setattr(host, "hooks", changed)

    return change


def test_hooks_of_the_first_api_keep_their_arguments():
    specifications = {name: hook for name, hook in vars(hooks).items() if hasattr(hook, f"{hooks.PROJECT}_spec")}
    assert V1.keys() <= specifications.keys()
    for name, arguments in V1.items():
        assert set(arguments) <= set(inspect.signature(specifications[name]).parameters)


@pytest.mark.parametrize(
    "requires", ["", "requires_api = None", "requires_api = '>=1,<2'", f"requires_api = '=={API_VERSION}'"]
)
def test_a_met_requirement_is_no_problem(load_plugin, requires):
    plugin = load_plugin(requires and f"requires_api = {requires}")
    assert (plugin.problem, plugin.notes) == ("", ())
    assert [spec.name for spec in plugin.declares] == ["asks"]


@pytest.mark.parametrize("requires", [">=2", "<1", "==0.9.*"])
def test_an_unmet_requirement_is_a_problem_with_a_remedy(load_plugin, requires):
    plugin = load_plugin(f"requires_api = {requires!r}")
    assert f"it needs plugin API {requires}, but this cxrbench has {API_VERSION}" in plugin.problem
    assert "pip install --upgrade cxrbench" in plugin.problem
    assert plugin.declares == plugin.hooks == ()


@pytest.mark.parametrize("requires", ["'one'", "1", "(1, 2)", "'>=x'"])
def test_an_invalid_version_specifier_is_a_problem(load_plugin, requires):
    assert "is not a valid version specifier: write it like" in load_plugin(f"requires_api = {requires}").problem


def test_a_requirement_is_checked_before_any_hook_is_called(tmp_path):
    file = tmp_path / "early.py"
    file.write_text(
        "from cxrbench import hookimpl\nrequires_api = '>=2'\n\n"
        "@hookimpl\ndef register_backbones():\n    raise AssertionError('called')\n"
    )
    assert load_host([file]).plugins[-1].problem.startswith("PluginError: it needs plugin API >=2")


def test_a_distribution_is_named_in_the_remedy(site, listed):
    site("old-lab", {"old-lab": "old_lab"}, {"old_lab": "requires_api = '<1'\n"})
    found = dict(listed())["old-lab"]
    assert found["status"] == "problem"
    assert "pip install --upgrade cxrbench old-lab" in found["problem"]


@pytest.mark.parametrize(
    "options",
    [
        {"warn_on_impl": DeprecationWarning("on_entry goes with API 2: use on_row")},
        {"warn_on_impl_args": {"entry": DeprecationWarning("on_entry goes with API 2: use on_row")}},
    ],
)
def test_a_deprecation_is_a_note_and_not_a_problem(deprecate, load_plugin, options):
    deprecate(**options)
    plugin = load_plugin()
    assert (plugin.problem, plugin.notes) == ("", ("on_entry goes with API 2: use on_row",))
    assert [spec.name for spec in plugin.declares] == ["asks"]


def test_plugins_list_shows_notes(deprecate, load_plugin, tmp_path, capsys):
    deprecate(warn_on_impl=DeprecationWarning("on_entry goes with API 2"))
    load_plugin()
    from cxrbench.cli.plugins import list_plugins

    list_plugins(plugin=[tmp_path / "asks.py"])
    assert "ok; note: on_entry goes" in " ".join(capsys.readouterr().out.split())
    list_plugins(plugin=[tmp_path / "asks.py"], as_json=True)
    assert '"notes": [\n      "on_entry goes with API 2"\n    ]' in capsys.readouterr().out
