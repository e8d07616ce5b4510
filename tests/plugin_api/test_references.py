"""Import strings: resolved late and in any process, with clear errors."""

import hashlib
import os
import pickle
import subprocess
import sys

import pytest

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
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


def test_the_factory_of_a_one_file_plugin_gets_its_options(files):
    import numpy as np

    embed = part("coarse-pixels:scale=51", files("good")).build(**GIVEN)
    assert embed(np.full((1, 16, 16, 3), 51, dtype=np.float32)).tolist() == [[1, 1, 1, 1]]


def test_a_one_file_plugins_factory_resolves_in_another_process(files):
    sent = pickle.dumps(part("coarse-pixels:scale=102", files("good")))
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], input=sent, capture_output=True, check=True, timeout=60)
    assert done.stdout.decode().strip() == "[[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5]]"


def test_a_one_file_plugin_may_declare_another_packages_factory(files):
    import numpy as np

    embed = part("fine-texture", files("borrowed_factory")).build(**GIVEN | {"input_shape": (64, 64, 3)})
    assert embed(np.zeros((1, 64, 64, 3), dtype=np.float32)).shape == (1, 1002)


def test_a_factory_missing_from_its_file_is_named_in_the_error(files):
    with pytest.raises(PluginError, match="has no attribute 'nowhere'"):
        part("not-in-file", files("missing_factory")).build(**GIVEN)


@pytest.mark.parametrize("text", ["json", "json:", ":loads", "json:no_such_thing", "no_such_module:x", "no_such_package.sub:x"])
def test_an_unresolvable_import_string_is_quoted_in_the_error(text):
    with pytest.raises(PluginError) as caught:
        Reference(text=text).resolve()
    assert text in str(caught.value)


@pytest.mark.parametrize("text", ["no_such_module:x", "no_such_package.sub:x"])
def test_a_missing_module_has_an_empty_source_digest(text):
    assert Reference(text=text).source_digest() == ""


def test_the_digest_of_a_one_file_plugin_is_its_files_digest(files):
    found = load_host([files("good")]).find(Backbone, "coarse-pixels")
    in_file = Reference(text=found.spec.factory, file=found.plugin.file)
    assert in_file.source_digest() == hashlib.sha256(files("good").read_bytes()).hexdigest()


def test_the_digest_of_a_package_covers_all_its_modules(tmp_path):
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
    assert all(len(digest) == 64 for digest in digests)
    assert digests[0] != digests[1]


def test_changing_a_plugins_file_changes_its_components_identity(files, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(files("good").read_text())
    before = part("coarse-pixels", file).identity
    assert part("coarse-pixels", file).identity == before
    file.write_text(files("good").read_text().replace("::8", "::4"))
    assert part("coarse-pixels", file).identity != before
