"""Import strings: resolved late, in any process, with an error that says what is not there."""

import hashlib
import os
import pickle
import subprocess
import sys

import pytest

from cxrbench.config.component import bind, parse_component
from cxrbench.errors import PluginError
from cxrbench.plugin.host import load_host
from cxrbench.plugin.references import Reference
from cxrbench.plugin.specs import Backbone

GIVEN = {"input_shape": (16, 16, 3), "weights": "none", "seed": 0}
ELSEWHERE = """
import pickle, sys
import numpy as np
part = pickle.loads(sys.stdin.buffer.read())
features = part.build(input_shape=(16, 16, 3), weights="none", seed=0)(np.full((2, 16, 16, 3), 51, dtype=np.float32))
print(features.tolist())
"""


def part(text, *paths):
    component = parse_component(text)
    return bind(component, load_host(paths).find(Backbone, component.name))


def test_the_factory_of_a_one_file_plugin_is_built_with_its_options(files):
    import numpy as np

    embed = part("coarse-pixels:scale=51", files("good")).build(**GIVEN)
    assert embed(np.full((1, 16, 16, 3), 51, dtype=np.float32)).tolist() == [[1, 1, 1, 1]]


def test_the_factory_of_a_one_file_plugin_resolves_in_another_process(files):
    sent = pickle.dumps(part("coarse-pixels:scale=102", files("good")))
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], input=sent, capture_output=True, check=True, timeout=60)
    assert done.stdout.decode().strip() == "[[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5]]"


def test_a_one_file_plugin_may_declare_the_factory_of_another_package(files):
    import numpy as np

    embed = part("fine-texture", files("borrowed_factory")).build(**GIVEN | {"input_shape": (64, 64, 3)})
    assert embed(np.zeros((1, 64, 64, 3), dtype=np.float32)).shape == (1, 1002)


def test_a_factory_that_its_file_does_not_have_is_named(files):
    with pytest.raises(PluginError, match="has no attribute 'nowhere'"):
        part("not-in-file", files("missing_factory")).build(**GIVEN)


@pytest.mark.parametrize("text", ["json", "json:", ":loads", "json:no_such_thing", "no_such_module:x", "no_such_package.sub:x"])
def test_an_import_string_that_names_nothing_is_a_plugin_error_that_quotes_it(text):
    with pytest.raises(PluginError) as caught:
        Reference(text=text).resolve()
    assert text in str(caught.value)


@pytest.mark.parametrize("text", ["no_such_module:x", "no_such_package.sub:x"])
def test_a_module_that_is_not_there_has_no_source_and_does_not_stop_the_grid(text):
    assert Reference(text=text).source_digest() == ""


def test_the_digest_of_a_one_file_plugin_is_that_of_its_file(files):
    found = load_host([files("good")]).find(Backbone, "coarse-pixels")
    in_file = Reference(text=found.spec.factory, file=found.plugin.file)
    assert in_file.source_digest() == hashlib.sha256(files("good").read_bytes()).hexdigest()


def test_the_digest_of_a_package_covers_all_its_modules_for_one_may_use_another(tmp_path):
    digests = []
    for content in ("scale = 1", "scale = 2"):
        package = tmp_path / content[-1] / "of_two_modules"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "build.py").write_text("from of_two_modules.helper import scale")
        (package / "helper.py").write_text(content)
        command = (
            "from cxrbench.plugin.references import Reference; print(Reference(text='of_two_modules.build:x').source_digest())"
        )
        environment = {**os.environ, "PYTHONPATH": str(package.parent)}
        digests.append(subprocess.check_output([sys.executable, "-c", command], env=environment, text=True).strip())
    assert all(len(one) == 64 for one in digests)
    assert digests[0] != digests[1]


def test_changing_the_file_of_a_plugin_changes_the_identity_of_its_components(files, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(files("good").read_text())
    before = part("coarse-pixels", file).identity
    assert part("coarse-pixels", file).identity == before
    file.write_text(files("good").read_text().replace("::8", "::4"))
    assert part("coarse-pixels", file).identity != before
