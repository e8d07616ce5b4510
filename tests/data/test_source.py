from __future__ import annotations

import numpy as np
import pytest

from cxrbench.data.download import Downloader
from cxrbench.data.source import find_dataset, read_images
from cxrbench.errors import ConfigError, DataError, PluginError, UnknownName
from cxrbench.plugin.contracts import ClassNames
from cxrbench.plugin.host import load_host

PLUGIN = """
from pathlib import Path
from cxrbench.plugin import Dataset, Download, Images, Record, hookimpl

HERE = __name__


@hookimpl
def register_datasets():
    return [
        Dataset(name="notes", factory=f"{HERE}:load", claims=f"{HERE}:claims", layout="a file that ends in .notes"),
        Dataset(name="notes-too", factory=f"{HERE}:load", claims=f"{HERE}:claims_two", layout="a file that ends in .two"),
        Dataset(name="fetched", factory=f"{HERE}:load", download=f"{HERE}:download"),
        Dataset(name="liar", factory=f"{HERE}:lie"),
        Dataset(name="leaking", factory=f"{HERE}:load_leaking"),
        Dataset(name="unnamed-classes", factory=f"{HERE}:load_with_class_list"),
        Dataset(name="own-licence", factory=f"{HERE}:load_with_own_licence"),
    ]


def load_with_class_list(source):
    return Images(name="x", records=(), read=str, class_names=["NORMAL", "PNEUMONIA"])


def load_with_own_licence(source):
    return Images(name="x", records=(), read=str, licence_class="Open")


def claims(path):
    return path.suffix in {".notes", ".two"}


def claims_two(path):
    return path.suffix == ".two"


def download(*, size: int = 28):
    return Download(url=f"http://localhost/{size}", file_name=f"{size}.notes")


def load(source, *, size: int = 28):
    return Images(name=f"{source} {size}", records=[Record(key="a", label=0, patient="a")], read=Path)


def load_leaking(source, *, number: int = 0):
    leaks = "ids" if number else ("ids of\\nimages",)
    return Images(name="x", records=(), read=str, warnings=("a\\nb",), leaks=leaks)


def lie(source):
    return [source]
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    file = tmp_path_factory.mktemp("plugin") / "notes.py"
    file.write_text(PLUGIN)
    return load_host([file])


@pytest.fixture
def tree(tmp_path, encode):
    for name in ("NORMAL/a.png", "PNEUMONIA/b.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True)
        (tmp_path / "images" / name).write_bytes(encode(np.zeros((4, 4), dtype=np.uint8)))
    return tmp_path / "images"


def no_fetch(download):
    raise AssertionError(f"fetched {download.url}")


def test_a_folder_goes_to_the_dataset_that_claims_it(host, tree):
    part = find_dataset(str(tree), host)
    assert part.spec.name == "folder"
    assert [record.label for record in read_images(part, no_fetch).records] == [0, 1]


def test_folder_names_are_shown_in_one_line(host, tree):
    odd = tree.rename(tree.with_name("wa\nrd \udcff"))
    (odd / "CO\u202eVID").mkdir()
    (odd / "CO\u202eVID" / "a.png").write_bytes(b"\x89PNG")
    images = read_images(find_dataset(str(odd), host), no_fetch)
    assert images.name == "wa\\nrd \\xff"
    assert any(warning.endswith(": 1 image file in CO\\u202eVID/ (1)") for warning in images.warnings)


def test_a_manifest_goes_to_the_dataset_that_claims_it(host, tree):
    (tree / "images.csv").write_text("path,label\nNORMAL/a.png,0\nPNEUMONIA/b.png,1\n")
    part = find_dataset(str(tree / "images.csv"), host)
    assert part.spec.name == "manifest"
    assert [record.key for record in read_images(part, no_fetch).records] == ["NORMAL/a.png", "PNEUMONIA/b.png"]


def test_a_file_goes_to_the_one_file_plugin_that_claims_it(host, tmp_path):
    (tmp_path / "x.notes").touch()
    part = find_dataset(str(tmp_path / "x.notes"), host)
    assert part.spec.name == "notes"
    assert read_images(part, no_fetch).name == f"{tmp_path / 'x.notes'} 28"


@pytest.mark.parametrize("text", [".", "images", "./images", "images/", "~/images"])
def test_a_relative_path_is_a_path(host, tree, monkeypatch, text):
    monkeypatch.chdir(tree if text == "." else tree.parent)
    monkeypatch.setenv("HOME", str(tree.parent))
    part = find_dataset(text, host)
    assert part.spec.name == "folder"
    assert len(read_images(part, no_fetch).records) == 2


def test_an_unrecognised_folder_is_an_error_with_all_layouts(host, tmp_path):
    (tmp_path / "cats").mkdir()
    with pytest.raises(DataError, match="no dataset recognises this") as caught:
        find_dataset(str(tmp_path / "cats"), host)
    assert caught.value.exit_code == 3
    for words in (
        "folder: a folder with NORMAL/",
        "manifest: a .csv file",
        "medmnist: an .npz file",
        "notes: a file that ends",
    ):
        assert words in str(caught.value)


@pytest.mark.parametrize("text", ["absent/images", "./absent", "~/absent-images", "/absent/images.csv"])
def test_a_path_that_does_not_exist_is_an_error(host, tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=r"absent.*: no such file or folder"):
        find_dataset(text, host)


def test_a_path_that_two_claim_is_refused_with_how_to_choose(host, tmp_path):
    path = tmp_path / "x.two"
    path.touch()
    with pytest.raises(ConfigError) as caught:
        find_dataset(str(path), host)
    for name in ("notes", "notes-too"):
        spelled_out = f"{name}:source={path}"
        assert f"--data {spelled_out}" in str(caught.value)
        assert find_dataset(spelled_out, host).spec.name == name


def test_a_source_can_be_named_with_its_options(host, tree):
    part = find_dataset(f"folder:source={tree},patient_key=file", host)
    images = read_images(part, no_fetch)
    assert [record.patient for record in images.records] == ["NORMAL/a.png", "PNEUMONIA/b.png"]
    swapped = read_images(find_dataset(f"folder:source={tree},negative=PNEUMONIA,positive=NORMAL", host), no_fetch)
    assert [record.label for record in swapped.records] == [1, 0]


def test_classes_are_options_of_a_dataset_that_has_them(host, tree):
    classes = {"positive": "NORMAL", "negative": "PNEUMONIA"}
    part = find_dataset(str(tree), host, classes)
    assert [record.label for record in read_images(part, no_fetch).records] == [1, 0]
    assert str(part.component.without("source")) == "folder:negative=PNEUMONIA,positive=NORMAL"
    again = find_dataset(f"folder:source={tree},positive=NORMAL", host, classes)
    assert again.component == part.component
    with pytest.raises(ConfigError, match="--positive NORMAL: the dataset says positive=PNEUMONIA"):
        find_dataset(f"folder:source={tree},positive=PNEUMONIA", host, classes)
    with pytest.raises(ConfigError, match="--positive NORMAL: phantom has no option positive"):
        find_dataset("phantom", host, classes)
    with pytest.raises(ConfigError, match="at most 1,000 characters"):
        find_dataset(str(tree), host, {"positive": "+".join(["a class"] * 200)})


def test_a_tree_of_other_classes_goes_to_who_may_read_it(host, tree):
    (tree / "PNEUMONIA").rename(tree / "TB")
    part = find_dataset(str(tree), host, {"positive": "TB"})
    assert part.spec.name == "folder"
    assert read_images(part, no_fetch).class_names == ClassNames(negative="NORMAL", positive="TB")
    with pytest.raises(DataError, match=r"--positive TB --negative NORMAL"):
        read_images(find_dataset(str(tree), host), no_fetch)


def test_classes_of_a_collection_are_refused_with_who_else_reads_it(host, tree):
    (tree / "PNEUMONIA").rename(tree / "COVID")
    assert find_dataset(str(tree), host).spec.name == "covid-radiography"
    with pytest.raises(ConfigError, match=rf"has no option positive: .*, or write --data folder:source={tree}\. What it has"):
        find_dataset(str(tree), host, {"positive": "COVID"})
    assert find_dataset(f"folder:source={tree}", host, {"positive": "COVID"}).spec.name == "folder"


def test_a_named_source_is_not_fetched(host, tmp_path):
    assert read_images(find_dataset(f"fetched:source={tmp_path}", host), no_fetch).name == f"{tmp_path} 28"


def test_a_download_gets_the_options_and_its_file_is_the_source(host, tmp_path):
    asked = []

    def fetch(download):
        asked.append(download.url)
        return tmp_path / download.file_name

    assert read_images(find_dataset("fetched:size=64", host), fetch).name == f"{tmp_path / '64.notes'} 64"
    assert read_images(find_dataset("fetched", host), fetch).name == f"{tmp_path / '28.notes'} 28"
    assert asked == ["http://localhost/64", "http://localhost/28"]


def test_a_dataset_without_source_and_download_decides_itself(host):
    images = read_images(find_dataset("phantom", host), no_fetch)
    assert len(images.records) == 600
    with pytest.raises(ConfigError, match="needs a source"):
        read_images(find_dataset("folder", host), no_fetch)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("folder:source=.,positiv=x", UnknownName, "unknown option of folder 'positiv': did you mean positive"),
        ("fetched:size=big", ConfigError, "fetched:size=big: option size=big"),
        ("phantm", UnknownName, "unknown dataset 'phantm': did you mean phantom"),
    ],
)
def test_an_unknown_name_or_option_or_type_is_explained(host, text, error, words):
    with pytest.raises(error, match=words):
        find_dataset(text, host)


@pytest.mark.parametrize("ending", ["", ",patient_key=file"])
def test_a_comma_in_a_path_gets_a_hint_at_quotes(host, tree, ending):
    place = tree.rename(tree.with_name("wards 1,2"))
    with pytest.raises(ConfigError, match=r'in double quotes: (--data .folder:source="/.*wards 1,2".|key="a,b")'):
        find_dataset(f"folder:source={place}{ending}", host)
    assert len(read_images(find_dataset(f'folder:source="{place}"{ending}', host), no_fetch).records) == 2
    assert len(read_images(find_dataset(str(place), host), no_fetch).records) == 2


def test_a_path_with_a_key_after_a_comma_gets_the_hint_too(host, tree):
    place = tree.rename(tree.with_name("wards,patient_key=file"))
    with pytest.raises(ConfigError, match=r"the path contains a comma\. Put it in double quotes"):
        find_dataset(f"folder:source={place}", host)


def test_mistakes_in_the_name_or_in_options_are_not_taken_for_paths(host, tree):
    for text, words in (
        (f"foldr:source={tree}", "unknown dataset 'foldr': did you mean folder"),
        (f"foldr:source={tree / 'absent'}", "unknown dataset 'foldr': did you mean folder"),
        (f"folder:sorce={tree}", "unknown option of folder 'sorce': did you mean source"),
        ("folder:sorce=/absent/images", "unknown option of folder 'sorce': did you mean source"),
        (f"folder:{tree}", f"options are written as key=value: --data folder:source={tree}"),
        (f"{tree}:patient_key=file", f"a path has no options. Name the dataset: --data folder:source={tree},patient_key=file"),
    ):
        with pytest.raises(ConfigError) as caught:
            find_dataset(text, host)
        assert words in str(caught.value)
        assert "no such file" not in str(caught.value)


def test_classes_named_by_numbers_need_no_quotes(host, tree):
    (tree / "NORMAL").rename(tree / "0")
    (tree / "PNEUMONIA").rename(tree / "7")
    for text in (f"folder:source={tree},negative=0,positive=7", f"folder:source={tree},negative='0',positive='7'"):
        images = read_images(find_dataset(text, host), no_fetch)
        assert [record.label for record in images.records] == [0, 1]
    with pytest.raises(ConfigError, match=r'option negative=true should be a valid .*write negative="true"'):
        find_dataset(f"folder:source={tree},negative=true", host)


def test_a_path_of_any_length_is_no_traceback(host):
    with pytest.raises(ConfigError):
        find_dataset("/" + "a" * 300, host)
    with pytest.raises(ConfigError):
        find_dataset("a" * 300, host)


def test_an_own_file_in_medmnists_layout_is_recognised(host, tmp_path):
    made = {}
    for split in ("train", "val", "test"):
        made |= {f"{split}_images": np.zeros((4, 28, 28), np.uint8), f"{split}_labels": np.array([[0], [1], [0], [1]])}
    np.savez(tmp_path / "ward.npz", **made)
    part = find_dataset(str(tmp_path / "ward.npz"), host)
    assert part.spec.name == "medmnist"
    assert read_images(part, no_fetch).name == "ward-28"
    np.savez(tmp_path / "other.npz", images=np.zeros(3))
    with pytest.raises(DataError, match="no dataset recognises this"):
        find_dataset(str(tmp_path / "other.npz"), host)


def test_a_dataset_name_wins_over_a_folder_of_that_name(host, tree, monkeypatch):
    monkeypatch.chdir(tree.parent)
    tree.rename(tree.parent / "phantom")
    assert find_dataset("phantom", host).spec.name == "phantom"
    assert find_dataset("./phantom", host).spec.name == "folder"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("liar", "dataset liar: its factory returned list, not Images"),
        ("unnamed-classes", r"unnamed-classes: class_names is \[.*\], expected ClassNames"),
        ("own-licence", "licence_class is 'Open', expected one of undeclared, open, agreement, credentialed"),
    ],
)
def test_a_factory_that_returns_something_else_is_named(host, name, words):
    with pytest.raises(PluginError, match=words):
        read_images(find_dataset(name, host), no_fetch)


def test_downloads_lie_in_the_cache(cache):
    assert Downloader(offline=True, say=print).folder == cache / "downloads"


def test_a_text_instead_of_leaks_is_refused(host):
    with pytest.raises(PluginError, match="dataset leaking:number=1: leaks is the text 'ids', expected a tuple of texts"):
        read_images(find_dataset("leaking:number=1", host), no_fetch)


def test_declared_leaks_are_lines(host):
    images = read_images(find_dataset("leaking", host), no_fetch)
    assert (images.warnings, images.leaks) == (("a\\nb",), ("ids of\\nimages",))
