"""A run writes no path of the machine and no terminal escape."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest

SHORT = (
    *("run", "--image-size", 32, "--no-controls", "--offline", "--workers", 1, "--trials", 1, "--epochs", 1),
    *("--augmentation", "none", "--imbalance", "none", "--backbone", "control-intensity", "--plugin", "breaks.py"),
)
PLUGIN = r"""
from pathlib import Path
import sys
from cxrbench.plugin import Backbone, hookimpl

@hookimpl
def register_backbones():
    return [Backbone(name="breaks", factory=f"{__name__}:build", summary="\x1b[31mred\u202e")]

def build(*, input_shape, weights, seed, path: str = ""):
    print("\x1b[2J\x07 looking at", Path.home() / "images", "and", Path.cwd() / "images")
    raise OSError(f"\x1b]8;;http://evil.example\x07{Path.home() / 'images'} and {Path.cwd() / 'x'} and {sys.prefix}/lib: gone")
"""


@pytest.mark.long
def test_entries_boards_and_logs_hold_no_paths_and_no_escapes(workspace, write_images):
    folder = write_images("images", 200, 220)
    (folder / "NORMAL" / "\x1b[31mcut.jpeg").write_text("no image")
    (workspace.folder / "breaks.py").write_text(PLUGIN)
    (workspace.folder / "weights.bin").write_bytes(b"x")
    backbone = f"breaks:path={workspace.folder / 'weights.bin'}"
    home = workspace.folder / "somebody"
    home.mkdir()
    done = workspace.call(*SHORT, "--data", folder, "--backbone", backbone, HOME=str(home))
    assert done.returncode == 1, done.stderr
    for text in (done.stdout, done.stderr):
        assert [sign for sign in text if not sign.isprintable() and sign != "\n"] == []
    digits = hashlib.sha256(b"x").hexdigest()[:8]
    entry = workspace.entries()[f"breaks:path=weights.bin@sha256:{digits}+none+none"]
    assert entry["status"] == "failed"
    assert "~/images and ./x and $PREFIX/lib: gone" in entry["reason"]
    assert any("looking at ~/images and ./images" in line for line in entry["log"])
    assert any("File" in line for line in entry["log"])
    forbidden = [str(workspace.folder), str(Path.home()), sys.prefix, "\x1b", "\\u001b", "\x07"]
    written = [path for path in (workspace.folder / "leaderboard").rglob("*") if path.suffix in {".json", ".csv", ".md"}]
    assert len(written) >= 6
    for path in written:
        if path.parent.name == "predictions":  # keys of images, unchanged
            continue
        text = path.read_text(encoding="utf-8")
        assert [one for one in forbidden if one in text] == [], path
        assert [sign for sign in text if not sign.isprintable() and sign != "\n"] == []


def test_plugins_are_listed_as_inert_text(run_here, workspace):
    (workspace.folder / "breaks.py").write_text(PLUGIN)
    (workspace.folder / "ill.py").write_text(r"raise RuntimeError('\x1b[2J [red]gone[/] \u202e')")
    done = run_here("plugins", "list", "--plugin", "breaks.py", "--plugin", "ill.py")
    assert done.returncode == 0
    assert [sign for sign in done.stdout if not sign.isprintable() and sign != "\n"] == []
    assert "\\x1b[2J [red]gone[/] \\u202e" in " ".join(done.stdout.split())
    as_json = run_here("plugins", "list", "--json", "--plugin", "breaks.py")
    assert "\x1b" not in as_json.stdout
    assert json.loads(as_json.stdout)[-1]["declares"][0]["summary"] == "\x1b[31mred\u202e"
