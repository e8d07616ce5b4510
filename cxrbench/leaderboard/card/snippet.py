"""How to use the model: a script that needs Keras and Pillow alone, or the command of cxrbench."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from cxrbench.leaderboard.card.markdown import paragraph

if TYPE_CHECKING:
    from typing import Literal

    from cxrbench.leaderboard.store.model_record import ModelRecord

READING = """\
import sys

import keras
import numpy as np
from PIL import Image, ImageOps

"""
SCORING = '''

def read(path):
    """Return a PNG or JPEG of 8 bits as cxrbench reads it: its luma, upright, square."""
    with Image.open(path) as image:
        image.draft("L", (SIZE, SIZE))  # a JPEG is decoded at a smaller scale, but not below SIZE
        if image.mode not in {"L", "RGB"} or "transparency" in image.info:
            sys.exit(f"{path}: not grey or RGB of 8 bits. cxrbench predict reads it")
        return squared(ImageOps.exif_transpose(image.convert("L")))


model = keras.saving.load_model("model.keras", compile=False, safe_mode=True)
paths = sys.argv[1:]
pixels = np.stack([np.asarray(read(path), dtype="float32") for path in paths])  # 0..255: the model scales them itself
for path, score in zip(paths, model.predict(pixels[..., None], verbose=0)[:, 0].tolist()):
    print(f"{path}\\t{score:.8f}\\t{POSITIVE if score >= THRESHOLD else NEGATIVE}")
'''
SQUARED: dict[Literal["stretch", "pad"], str] = {
    "stretch": '''

def squared(image):
    """Stretch an image to a square."""
    return image.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
''',
    "pad": '''

def squared(image):
    """Make an image square with black around it."""
    scale = SIZE / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    canvas = Image.new("L", (SIZE, SIZE))
    canvas.paste(image.resize((width, height), Image.Resampling.BILINEAR), ((SIZE - width) // 2, (SIZE - height) // 2))
    return canvas
''',
}


def snippet(record: ModelRecord) -> str:
    """Return a script that scores PNG and JPEG files of 8 bits exactly as cxrbench does, without cxrbench."""
    names = record.class_names
    constants = (
        f"SIZE, THRESHOLD = {record.protocol.image_size}, {record.threshold!r}\n"
        f"NEGATIVE, POSITIVE = {names.negative!r}, {names.positive!r}\n"
    )
    return READING + constants + SQUARED[record.protocol.resize] + SCORING


def start_section(record: ModelRecord) -> list[str]:
    """Return how to score an image."""
    if record.format == "plugin":
        return _with_plugin(record)
    text = (
        "With Keras and Pillow alone: save this as score.py in this folder, and run it with the paths of images: PNG or JPEG, "
        "in grey or RGB, of 8 bits. It reads and resizes them as cxrbench does; another way of resizing gives other scores."
    )
    return [
        *paragraph(text),
        "```python",
        snippet(record).rstrip(),
        "```",
        "",
        *paragraph("cxrbench reads DICOM, 16 bits and the rest as well, and says which images the model has learnt from:"),
        *_command(),
    ]


def _with_plugin(record: ModelRecord) -> list[str]:
    facts = record.components.get("backbone")
    if facts is None:
        needed = "a plugin that declares this backbone"
    elif facts.version:
        needed = f"the package {facts.package} {facts.version} (pip install {shlex.quote(f'{facts.package}=={facts.version}')})"
    else:
        needed = f"the one-file plugin {facts.package} (give its path with --plugin)"
    also = "" if facts and facts.package == "cxrbench" else "cxrbench and "
    files = ", and the files that its options name (give their paths with --file)" if facts and facts.files else ""
    holds = "the head alone" if record.stage == "head" else "weights alone"
    text = f"This folder has {holds}. The backbone needs {also}{needed}{files}:"
    return [*paragraph(text), *_command()]


def _command() -> list[str]:
    return ["```sh", "cxrbench predict . IMAGE...", "```", ""]
