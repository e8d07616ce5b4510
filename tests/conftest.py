"""What all tests share: the plugins, and a TensorFlow of one thread, as workers have it."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from cxrbench.execution.worker import THREAD_VARIABLES
from cxrbench.plugin.host import load_host

CXRBENCH = Path(sys.executable).parent / "cxrbench"
LONG = os.environ.get("CXRBENCH_TESTS") == "long"


@dataclass(frozen=True)
class Place:
    """An empty working folder with a cache of its own, where commands run."""

    folder: Path

    def command(self, *arguments, **environment):
        """Return what `subprocess` needs to run a command here."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CXRBENCH_", "KERAS_"))}
        home = {"CXRBENCH_HOME": str(self.folder / "home"), "KERAS_HOME": str(self.folder / "keras")}
        return {
            "args": [str(CXRBENCH), *map(str, arguments)],
            "cwd": self.folder,
            "env": {**kept, **home, **environment},
            "text": True,
            "encoding": "utf-8",
        }

    def call(self, *arguments, **environment):
        """Run a command here and return what came of it."""
        return subprocess.run(**self.command(*arguments, **environment), capture_output=True, check=False)

    def protocol_folder(self, out="leaderboard"):
        """Return the one protocol's folder below `out`."""
        (found,) = (path.parent for path in (self.folder / out).glob("*/protocol.json"))
        return found

    def entries(self, out="leaderboard"):
        """Return the entries by recipe, that of the majority class left out."""
        read = [json.loads(path.read_text()) for path in sorted(self.protocol_folder(out).glob("entries/*.json"))]
        return {entry["recipe"]: entry for entry in read if entry["kind"] != "majority"}

    def files(self, pattern, out="leaderboard"):
        """Return the bytes of all files below `out` that match."""
        return {
            path.relative_to(self.folder): path.read_bytes() for path in (self.folder / out).glob(pattern) if path.is_file()
        }


@pytest.fixture(scope="session")
def place_at():
    """Return what makes a place of an empty folder."""
    return Place


@pytest.fixture
def place(tmp_path):
    """Return an empty place."""
    return Place(tmp_path)


def pytest_configure():
    """Set the threads before any test module imports Keras."""
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    settings.register_profile("no-deadline", deadline=None)  # a busy machine is no failure
    settings.load_profile("no-deadline")


def pytest_collection_modifyitems(items):
    """Skip what is marked as long, unless the long form is asked for."""
    for item in items:
        if item.get_closest_marker("long") and not LONG:
            item.add_marker(pytest.mark.skip(reason="CXRBENCH_TESTS=long runs the long forms, too"))


@pytest.fixture(scope="session")
def long():
    """Return whether the long form is asked for."""
    return LONG


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


@dataclass(frozen=True)
class PostgreSQL:
    """A real server of the tests' own, on a free port of this machine; its administrator is `films`."""

    binaries: Path
    folder: Path
    port: int
    password: str = "p4ss/word of a test"

    def url(self, database, password="p4ss%2Fword of a test"):
        return f"postgresql://films:{password}@127.0.0.1:{self.port}/{database}"

    def run(self, program, *arguments):
        """Run one of the server's programs, as another user where this one is root, whom it refuses."""
        as_user = {"user": self.folder.owner()} if os.geteuid() == 0 else {}
        command = [self.binaries / program, *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=60, **as_user)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def control(self, verb, *arguments):
        log = ("-l", self.folder / "log") if verb in {"start", "restart"} else ()
        self.run("pg_ctl", verb, "-w", "-D", self.folder / "data", *log, *arguments)

    def create(self, database):
        """Make an empty database and return its URL."""
        import sqlalchemy

        engine = sqlalchemy.create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(f'CREATE DATABASE "{database}"'))
        engine.dispose()
        return self.url(database)


def _postgresql_binaries():
    found = [Path(path).parent for path in [shutil.which("pg_ctl")] if path]
    found += [*Path("/usr/lib/postgresql").glob("*/bin"), Path("/usr/local/pgsql/bin"), Path("/opt/homebrew/bin")]
    return next(
        (folder for folder in found if all((folder / name).exists() for name in ("initdb", "pg_ctl", "postgres"))), None
    )


@pytest.fixture(scope="session")
def postgresql():
    """Start a PostgreSQL server with an empty folder; skip where the machine has none."""
    pytest.importorskip("psycopg", reason="needs pip install 'cxrbench[postgresql]'")
    binaries = _postgresql_binaries()
    if not binaries:
        pytest.skip("no PostgreSQL server here: initdb, pg_ctl and postgres are neither in PATH nor in /usr/lib/postgresql")
    folder = Path(tempfile.mkdtemp(prefix="cxrbench-postgresql-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = PostgreSQL(binaries, folder, free.getsockname()[1])
    try:
        (folder / "password").write_text(server.password)
        (folder / "password").chmod(0o644)
        server.run(
            *("initdb", "-D", folder / "data", "-U", "films", "-E", "UTF8", "--locale=C", "--no-sync"),
            *("--auth=scram-sha-256", "--pwfile", folder / "password"),
        )
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write("fsync = off\n")  # the server dies in these tests, the machine does not
            file.write(f"port = {server.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n")
        server.control("start")
        yield server
        server.control("stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
