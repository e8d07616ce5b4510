"""The notebook of docs/how-to/figures.md runs in a real kernel and shows tables, progress bars and figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CELLS = re.findall(
    r"^```python\n(.*?)^```$", (ROOT / "docs" / "how-to" / "figures.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
SMALLER = {"chest_xray/": "phantom:images=420,size=64", '["densenet121"]': '["texture"]', "trials=50": "trials=2"}
SETTINGS = {
    "IMAGE_SIZE": "64",
    "EPOCHS": "2",
    "AUGMENTATION": "none",
    "IMBALANCE": "none",
    "OFFLINE": "1",
    "ROBUSTNESS": "none",
}
AGAIN = 'silent = cxrbench.run(data="chest_xray/", backbone=["texture"], trials=3, progress=False)\nsilent'


@pytest.fixture
def executed(tmp_path, monkeypatch):
    """Return the outputs of each cell of the notebook."""
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")  # else jupyter_core warns
    import nbclient
    import nbformat

    for name, value in {**SETTINGS, "HOME": str(tmp_path / "home"), "WORKERS": "0"}.items():
        monkeypatch.setenv(f"CXRBENCH_{name}", value)
    sources = [*CELLS, AGAIN]
    for written, smaller in SMALLER.items():
        sources = [source.replace(written, smaller) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbclient.NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    return [cell.outputs for cell in notebook.cells]


def of_kind(outputs, kind):
    return [output["data"][kind] for output in outputs if kind in output.get("data", {})]


@pytest.mark.slow
def test_the_notebook_of_the_docs_shows_what_it_promises(executed):
    run, entry, roc, two, again = executed
    bars, *_, table = of_kind(run, "text/html")
    for stage, count in (("images", "420/420"), ("trials", "8/8")):
        assert re.search(rf"{stage}\b.*{count}", bars), bars
    assert "<table>" in table
    for recipe in ("texture", "control-border", "control-thumbnail", "majority-class"):
        assert f"<td>{recipe}<br>" in table
    assert [output for output in run if output["output_type"] == "stream"] == []  # nothing is printed beside them
    assert "<strong>texture+none+none</strong>: complete" in of_kind(entry, "text/html")[0]
    for outputs in (roc, two):
        assert len(of_kind(outputs, "image/png")) == 1
        assert [output for output in outputs if output["output_type"] == "stream"] == []
    (silent,) = again
    assert silent["output_type"] == "execute_result"
    assert "3 trials per study" in silent["data"]["text/html"]
