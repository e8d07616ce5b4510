"""What all tests share: the plugins, and a TensorFlow of one thread, as workers have it."""

from __future__ import annotations

import io
import os

import pytest
from hypothesis import settings

from cxrbench.plugin.host import load_host
from cxrbench.worker_process import THREADS


def pytest_configure():
    """Set the threads before any test module imports Keras."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    settings.register_profile("no-deadline", deadline=None)  # a busy machine is no failure
    settings.load_profile("no-deadline")


@pytest.fixture(scope="session")
def tensorflow_ready():
    """Import Keras and start TensorFlow, so that no test's time limit pays for it; return Keras."""
    import keras

    keras.ops.zeros(1)
    return keras


@pytest.fixture(scope="session")
def host():
    """Return the host with all installed plugins."""
    return load_host()


@pytest.fixture(scope="session")
def dicom(recoded):
    """Make the bytes of a DICOM film of some pixels, in any transfer syntax, with any elements changed or (None) left out."""
    from pydicom import uid
    from pydicom.encaps import encapsulate

    def make(pixels, syntax=uid.ExplicitVRLittleEndian, *, jpeg=None, **elements) -> bytes:
        film = dicom_of(pixels, big_endian=syntax == uid.ExplicitVRBigEndian)
        for name, value in ({"HighBit": elements.get("BitsStored", film.BitsAllocated) - 1} | elements).items():
            if value is None:
                delattr(film, name)
            else:
                setattr(film, name, value)
        if jpeg is not None:
            film.PixelData, film["PixelData"].VR = encapsulate([jpeg]), "OB"
        elif syntax == uid.RLELossless:
            film.compress(uid.RLELossless, generate_instance_uid=False)
        elif syntax.is_compressed and syntax != uid.DeflatedExplicitVRLittleEndian:
            return recoded(bytes_of(film), syntax)
        film.file_meta.TransferSyntaxUID = syntax
        return bytes_of(film)

    return make


def dicom_of(pixels, *, big_endian=False):
    """Return pixels as a data set of pydicom's."""
    from pydicom import uid
    from pydicom.dataset import Dataset, FileMetaDataset

    film, bits, colour = Dataset(), 8 * pixels.dtype.itemsize, pixels.ndim == 3
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    film.SOPClassUID, film.SOPInstanceUID = uid.ComputedRadiographyImageStorage, "1.2.3"
    film.Rows, film.Columns = pixels.shape[:2]
    film.SamplesPerPixel, film.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        film.PlanarConfiguration = 0
    film.BitsAllocated = film.BitsStored = bits
    film.HighBit, film.PixelRepresentation = bits - 1, int(pixels.dtype.kind == "i")
    film.PixelData = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<")).tobytes()
    film["PixelData"].VR = "OB" if bits == 8 else "OW"
    return film


def bytes_of(film) -> bytes:
    """Return the file of a data set of pydicom's."""
    buffer = io.BytesIO()
    film.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def recoded(tmp_path_factory):
    """Have GDCM compress an uncompressed DICOM file."""

    def recode(content, syntax) -> bytes:
        import gdcm
        import pydicom

        source, target = (tmp_path_factory.mktemp("dicom") / name for name in ("source.dcm", "target.dcm"))
        source.write_bytes(content)
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(str(source))
        assert reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(syntax))))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer.SetFileName(str(target))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        film, coded = pydicom.dcmread(source), pydicom.dcmread(target)  # of which the second has numbers that nobody seeds
        film.PixelData, film.file_meta.TransferSyntaxUID = coded.PixelData, syntax
        film["PixelData"].VR = "OB"
        return bytes_of(film)

    return recode
