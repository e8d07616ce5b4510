"""Files of every kind that hospitals have, whole and broken in every way, are read or named, and nothing crashes.

``CXRBENCH_TESTS=long`` tries 2,000 files, ``CXRBENCH_FUZZ_FILES=20000`` as many; ``CXRBENCH_FUZZ_SEED=2`` tries others.
"""

from __future__ import annotations

import os
import random
import time
import warnings
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import Base as Tag
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from cxrbench.data.decoding.decode import decode
from cxrbench.data.decoding.pixels import Decoding
from cxrbench.errors import DataError
from cxrbench_datasets.folder import load_folder

FILES = int(os.environ.get("CXRBENCH_FUZZ_FILES") or (2000 if os.environ.get("CXRBENCH_TESTS") == "long" else 600))
SEED = os.environ.get("CXRBENCH_FUZZ_SEED", "1")
IN_A_RUN = 300
SECONDS = 60
"""In which one file must be done with; all but a few take milliseconds."""
SIZE = 16
SEVERAL = ("gif-animated", "apng", "webp-animated", "tiff-pages", "dicom-frames")
GREYS = np.add.outer(np.arange(40) * 3, np.arange(36)).astype(np.uint8)
SYNTAXES = (
    *(uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian),
    *(uid.RLELossless, uid.JPEGLosslessSV1, uid.JPEGLossless, uid.JPEGLSLossless, uid.JPEGLSNearLossless),
    *(uid.JPEG2000Lossless, uid.JPEG2000),
)


def raster_files(encode):
    """Return whole files of every format and mode by name."""
    grey, wide = Image.fromarray(GREYS), Image.fromarray(GREYS.astype(np.uint16) * 300)
    colour, made = Image.merge("RGB", [grey, grey.transpose(0), grey]), {}
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        made[f"png-{mode}"] = encode(colour.convert(mode), "PNG")
    made["png-16"] = encode(wide, "PNG")
    made["png-palette-transparent"] = encode(colour.convert("P"), "PNG", transparency=bytes(range(256)))
    for mode in ("L", "RGB", "CMYK"):
        made[f"jpeg-{mode}"] = encode(colour.convert(mode), "JPEG")
    made["jpeg-progressive"] = encode(colour, "JPEG", progressive=True)
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[Tag.Orientation] = turn
        made[f"jpeg-turned-{turn}"] = encode(grey, "JPEG", exif=exif)
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        made[f"tiff-{compression}"] = encode(colour, "TIFF", compression=compression)
    made["tiff-group4"] = encode(grey.convert("1"), "TIFF", compression="group4")
    made["tiff-16"], made["tiff-cmyk"] = encode(wide, "TIFF"), encode(colour.convert("CMYK"), "TIFF")
    made["tiff-float"] = encode(Image.fromarray(GREYS.astype(np.float32) / 7), "TIFF")
    made["tiff-white-is-zero"] = encode(wide, "TIFF", tiffinfo={262: 0})
    made["png-16-transparent"] = encode(wide, "PNG", transparency=0)
    made["bmp"], made["gif"], made["ppm"] = (encode(colour, kind) for kind in ("BMP", "GIF", "PPM"))
    made["pgm-16"] = encode(wide.convert("I"), "PPM")
    made["webp"], made["webp-lossless"] = encode(colour, "WEBP"), encode(colour, "WEBP", lossless=True)
    made["jpeg2000"], made["jpeg2000-16"] = encode(colour, "JPEG2000"), encode(wide, "JPEG2000")
    for name, kind in zip(SEVERAL, ("GIF", "PNG", "WEBP", "TIFF"), strict=False):
        made[name] = encode(grey, kind, save_all=True, append_images=[grey.transpose(0)])
    return made


def dicom_files(dicom, encode):
    """Return whole DICOM files of every syntax, depth and table by name."""
    made = {}
    for syntax in SYNTAXES:
        for bits in (8, 12, 16):
            pixels = GREYS.astype(np.uint8 if bits == 8 else np.uint16) * (1 if bits == 8 else 2 ** (bits - 8))
            made[f"dicom-{syntax.keyword}-{bits}"] = dicom(pixels, syntax, BitsStored=bits)
    wide = GREYS.astype(np.uint16) * 16
    made["dicom-signed"] = dicom(GREYS.astype(np.int16) * 16 - 2000, RescaleSlope=2, RescaleIntercept=-5)
    made["dicom-negative"] = dicom(
        wide, BitsStored=12, PhotometricInterpretation="MONOCHROME1", WindowCenter=2000, WindowWidth=900
    )
    made["dicom-padded"] = dicom(wide, BitsStored=12, PixelPaddingValue=0, PixelPaddingRangeLimit=40, RescaleSlope=2)
    made["dicom-empty"] = dicom(wide, BitsStored=12, RescaleSlope="", RescaleIntercept="", WindowCenter="")
    made["dicom-colour"] = dicom(np.stack([GREYS] * 3, axis=-1))
    made["dicom-frames"] = dicom(wide, Rows=20, NumberOfFrames=2)
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [4096, 0, 16])
    table.add_new("LUTData", "US", list(range(4096)))
    made["dicom-table"] = dicom(wide, BitsStored=12, VOILUTSequence=Sequence([table]), ModalityLUTSequence=Sequence([table]))
    jpeg = encode(Image.fromarray(GREYS), "JPEG")
    made["dicom-jpeg"] = dicom(GREYS, uid.JPEGBaseline8Bit, jpeg=jpeg)
    content = made["dicom-table"]
    made["dicom-no-preamble"], made["dicom-no-meta"] = content[132:], content[content.index(b"\x08\x00\x16\x00") :]
    return made


@pytest.fixture(scope="module")
def whole(dicom, encode):
    """Return whole files by name."""
    return raster_files(encode) | dicom_files(dicom, encode)


def flipped(draw, content, _):
    changed = bytearray(content)
    for _ in range(draw.choice([1, 3, 30])):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def cut(draw, content, _):
    return content[: draw.randrange(len(content))]


def spliced(draw, content, other):
    at, start = draw.randrange(len(content)), draw.randrange(len(other))
    return content[:at] + other[start : start + draw.randrange(400)] + content[at + draw.choice([0, 50]) :]


def edited(draw, content, _):
    """Put a number that means much to a header where headers are."""
    at = draw.randrange(min(len(content), draw.choice([40, 700])))
    number = draw.choice([0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 2**32 - 1])
    width, order = draw.choice([1, 2, 4]), draw.choice(["little", "big"])
    return content[:at] + (number % 256**width).to_bytes(width, order) + content[at + width :]


def emptied(draw, content, _):
    return draw.choice([b"", b"\0", content[:4], content[:132], bytes(len(content))])


def doubled(draw, content, other):
    return draw.choice([content + content, content + other, other[: draw.randrange(200)] + content])


def left_alone(draw, content, _):
    return content


WAYS = (flipped, flipped, flipped, cut, cut, spliced, edited, edited, edited, emptied, doubled, left_alone)
ENDINGS = (".png", ".jpeg", ".dcm", ".tif", "", ".txt", ".exe", "\n.png", " \u202e.png", ".\N{LUNGS}")


def special(draw, path, place):
    """Make what is no file of bytes at all."""
    how = draw.randrange(6)
    if how == 0:
        os.mkfifo(path)
    elif how == 1:
        path.mkdir()
        (path / "inside.png").write_bytes(b"nothing")
        (path / "around").symlink_to(place)
    else:
        path.symlink_to(["/dev/zero", path, place / "nowhere", place][how - 2])


def write_files(place, whole, count):
    """Write so many files, the first of each sort whole, and return their paths with what they are."""
    names, written = sorted(whole), {}
    for number in range(count):
        draw = random.Random(f"{SEED} {number}")
        path = place / f"{number:04d}{draw.choice(ENDINGS)}"
        if number >= len(names) and draw.random() < 0.03:
            special(draw, path, place)
            written[path] = "special"
            continue
        name = names[number % len(names)]
        way = left_alone if number < len(names) else draw.choice(WAYS)
        path.write_bytes(way(draw, whole[name], whole[draw.choice(names)]))
        written[path] = f"{name} {way.__name__}"
    return written


@pytest.mark.timeout(3000)
def test_every_file_is_read_or_refused_with_a_reason(tmp_path, whole, capfd, record_property):
    written, ends, slowest = write_files(tmp_path, whole, FILES), Counter(), 0.0
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for path, what in written.items():
            began = time.monotonic()
            try:
                image = decode(path, size=SIZE, resize="pad")
            except DataError as error:
                reason = str(error)
                assert reason, what
                assert reason.isprintable(), (what, reason)
                ends["died" if reason.startswith("crashes") else "refused"] += 1
            else:
                assert (image.shape, image.dtype) == ((SIZE, SIZE), np.uint8), what
                ends["read"] += 1
            took = time.monotonic() - began
            assert took < SECONDS, what
            slowest = max(slowest, took)
    assert heard == []
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
    assert ends.total() == FILES
    record_property("fuzzed", f"{dict(ends)}, the slowest in {slowest:.1f} s")


def test_whole_files_are_read_unless_they_hold_several_images(whole):
    for name, content in whole.items():
        if name in SEVERAL:
            with pytest.raises(DataError, match="save the right one"):
                decode(content, size=SIZE, resize="stretch")
        else:
            assert decode(content, size=SIZE, resize="stretch").std() > 5, name


@pytest.mark.timeout(600)
def test_a_folder_of_such_files_is_read_or_named_to_the_last_one(tmp_path, whole, load):
    root = tmp_path / "ward"
    for part in ("NORMAL", "PNEUMONIA"):
        (root / part).mkdir(parents=True)
    written = write_files(root / "NORMAL", whole, min(IN_A_RUN, FILES))
    (root / "PNEUMONIA" / "image.png").write_bytes(whole["png-L"])
    images = load_folder(str(root))
    dataset = load(images, Decoding(size=SIZE, resize="stretch", threads=2))
    read, named = {record.key for record in dataset.records}, dict(dataset.skipped)
    assert not read & named.keys()
    assert read | named.keys() == {record.key for record in images.records}
    assert all(reason and reason.isprintable() for reason in named.values())
    files = {path for path in written if not path.is_dir()}
    listed = {root / key for key in read | named.keys()}
    assert files <= listed, files - listed
    assert load(images, Decoding(size=SIZE, resize="stretch", threads=2)) == dataset
