"""Shared fixtures: workspaces, plugins, and TensorFlow with one thread, as in workers."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings
from PIL import Image

from cxrbench.cli.app import main
from cxrbench.evaluation.prediction_csv import predictions_as_csv
from cxrbench.evaluation.prediction_table import read_predictions
from cxrbench.execution.worker import THREAD_VARIABLES
from cxrbench.plugin.host import load_host
from cxrbench_datasets.phantom import drawing

pytest_plugins = ["browser_fixtures"]
CXRBENCH = Path(sys.executable).parent / "cxrbench"
SLOW_FOLDERS = ("chaos", "cli")
"""Tests of whole commands, most of which run a benchmark."""
WHOLE_RUNS = ("test_bad_input", "test_console", "test_folds", "test_left_out", "test_robustness", "test_run", "test_show")
"""Those that run in every case."""
ASKED_FOR = os.environ.get("CXRBENCH_TESTS", "").split(",")


@dataclass(frozen=True)
class Workspace:
    """An empty working folder with its own cache, to run commands in."""

    folder: Path

    def command(self, *arguments, **environment):
        """Return the arguments for `subprocess` to run a command in this workspace."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CXRBENCH_", "KERAS_"))}
        home = {"CXRBENCH_HOME": str(self.folder / "home"), "KERAS_HOME": str(self.folder / "keras")}
        home |= {"CXRBENCH_SECRET_FILE": str(self.folder / "secret")}
        home["CXRBENCH_ROBUSTNESS"] = "none"  # shifts have tests of their own, and would take a third of all time
        return {
            "args": [str(CXRBENCH), *map(str, arguments)],
            "cwd": self.folder,
            "env": {**kept, **home, **environment},
            "text": True,
            "encoding": "utf-8",
        }

    def call(self, *arguments, **environment):
        """Run a command in this workspace and return the completed process."""
        return subprocess.run(**self.command(*arguments, **environment), capture_output=True, check=False)

    def call_here(self, *arguments, **environment):
        """Run a command in this process, which takes far less time, and return the same as `call`."""
        command, printed, said = self.command(*arguments, **environment), io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(said):
            for name in os.environ.keys() - command["env"].keys():
                patch.delenv(name)
            for name, value in command["env"].items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", command["args"])
            with pytest.raises(SystemExit) as ended:
                main()
        return subprocess.CompletedProcess(command["args"], ended.value.code or 0, printed.getvalue(), said.getvalue())

    def protocol_folder(self, out="leaderboard"):
        """Return the folder of the only protocol in `out`."""
        (found,) = (path.parent for path in (self.folder / out).glob("*/protocol.json"))
        return found

    def entries(self, out="leaderboard"):
        """Return the entries by recipe, without the baseline."""
        read = [json.loads(path.read_text()) for path in sorted(self.protocol_folder(out).glob("entries/*.json"))]
        return {entry["recipe"]: entry for entry in read if entry["kind"] != "baseline"}

    def rows(self, path):
        """Return the rows of a table of predictions, given by its path in the folder of the only protocol."""
        table = self.protocol_folder() / path
        return list(csv.DictReader(io.StringIO(predictions_as_csv(read_predictions(table)))))

    def files(self, pattern, out="leaderboard"):
        """Return the bytes of all files in `out` that match the pattern."""
        return {
            path.relative_to(self.folder): path.read_bytes() for path in (self.folder / out).glob(pattern) if path.is_file()
        }


@pytest.fixture(scope="session", autouse=True)
def secret_of_the_tests(tmp_path_factory):
    """Keep the secret for pseudonyms away from that of the user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXRBENCH_SECRET_FILE", str(tmp_path_factory.mktemp("secret") / "secret"))
        yield


@pytest.fixture(scope="session", autouse=True)
def phantoms_are_drawn_once():
    """Keep every phantom that this process draws: their drawing would take a third of the time of all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "draw_image", cache(drawing.draw_image))
        yield


@pytest.fixture(scope="session")
def make_workspace():
    """Return a function that makes an empty folder a workspace."""
    return Workspace


@pytest.fixture
def workspace(tmp_path):
    """Return an empty workspace."""
    return Workspace(tmp_path)


@pytest.fixture(scope="session")
def run_once(tmp_path_factory, worker_id, make_workspace, tensorflow_ready):
    """Return a function that runs a command once for all xdist workers; it returns the workspace and the completed process."""
    base = tmp_path_factory.getbasetemp()
    root = base if worker_id == "master" else base.parent

    def run(name, *arguments):
        workspace, finished = make_workspace(root / name), root / f"{name}.json"
        with FileLock(root / f"{name}.lock"):
            if not finished.exists():
                workspace.folder.mkdir(exist_ok=True)
                result = workspace.call_here(*arguments)
                assert result.returncode == 0, result.stderr
                finished.write_text(json.dumps({"stdout": result.stdout, "stderr": result.stderr}))
        return workspace, subprocess.CompletedProcess(arguments, 0, **json.loads(finished.read_text()))

    return run


@pytest.fixture(scope="session")
def shared_folder():
    """Return the folder of test data, or skip."""
    folder = Path(os.environ.get("CXRBENCH_TEST_DATA", Path(__file__).parents[2] / "shared"))
    if not (folder / "data" / "chest_xray").is_dir():
        pytest.skip(f"no real images at {folder}: set CXRBENCH_TEST_DATA to the folder that holds data/chest_xray")
    return folder


@pytest.fixture
def run_pytest(tmp_path, tensorflow_ready):
    """Return a function that runs test files with pytest in this process."""
    without = (word for name in ("cacheprovider", "faulthandler", "xdist") for word in ("-p", f"no:{name}"))
    options = ("-q", "-s", *without, "--rootdir", str(tmp_path))

    def run(*files):
        printed = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
            patch.syspath_prepend(tmp_path)  # restores sys.path at the end
            code = pytest.main([*options, *map(str, files)])
        return subprocess.CompletedProcess(files, int(code), printed.getvalue(), "")

    return run


@pytest.fixture(scope="session")
def draw_images():
    """Return a function that draws a folder of tiny images with so many of each class; the positive class is brighter."""

    def draw(folder, normal, pneumonia, *, seed=0, difference=60):
        generator = np.random.default_rng(seed)
        for label, (name, count) in enumerate((("NORMAL", normal), ("PNEUMONIA", pneumonia))):
            (folder / name).mkdir(parents=True)
            for number in range(count):
                low = 60 + difference * label
                pixels = generator.integers(low, low + 80, (40, 40), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / name / f"{number:03d}.jpeg")
        return folder

    return draw


@pytest.fixture
def write_images(draw_images, tmp_path):
    """Return a function that draws images in a new folder of the test, by its name."""
    return lambda name, *counts, **options: draw_images(tmp_path / name, *counts, **options)


def pytest_configure():
    """Set the threads before any test module imports Keras."""
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    settings.register_profile("no-deadline", deadline=None)  # a busy machine must not fail a test
    settings.load_profile("no-deadline")


def pytest_collection_modifyitems(items):
    """Skip tests that take long or need a program, unless CXRBENCH_TESTS names their marker, such as ``long,browser``."""
    for item in items:
        if item.path.parent.name in SLOW_FOLDERS and item.path.stem not in WHOLE_RUNS:
            item.add_marker(pytest.mark.slow)
        if "postgresql" in item.fixturenames:
            item.add_marker(pytest.mark.postgresql)
        if {"cluster", "new_cluster"}.intersection(item.fixturenames):
            item.add_marker(pytest.mark.dask)
        for marker in {"long", "postgresql", "slow", "browser", "latex", "dask", "site"}.difference(ASKED_FOR):
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=f"set CXRBENCH_TESTS={marker} to run it"))


@pytest.fixture(scope="session")
def long():
    """Return whether CXRBENCH_TESTS asks for the long forms of tests."""
    return "long" in ASKED_FOR


@pytest.fixture(scope="session")
def tensorflow_ready():
    """Import Keras and start TensorFlow, so that it does not count towards a test's time limit; return Keras."""
    import keras

    keras.ops.zeros(1)
    return keras


@pytest.fixture(scope="session")
def host():
    """Return the host with all installed plugins."""
    return load_host()


@pytest.fixture(scope="session")
def encode():
    """Encode an array, or any Pillow image, as the bytes of a file."""

    def encode_image(image, kind="PNG", **options) -> bytes:
        buffer = io.BytesIO()
        (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, kind, **options)
        return buffer.getvalue()

    return encode_image


@pytest.fixture(scope="session")
def dicom(recoded):
    """Return a function that makes a DICOM file of pixels, in any transfer syntax, with elements changed or (None) removed."""
    from pydicom import uid
    from pydicom.encaps import encapsulate

    def make(pixels, syntax=uid.ExplicitVRLittleEndian, *, jpeg=None, **elements) -> bytes:
        dataset = dicom_of(pixels, big_endian=syntax == uid.ExplicitVRBigEndian)
        for name, value in ({"HighBit": elements.get("BitsStored", dataset.BitsAllocated) - 1} | elements).items():
            if value is None:
                delattr(dataset, name)
            else:
                setattr(dataset, name, value)
        if jpeg is not None:
            dataset.PixelData, dataset["PixelData"].VR = encapsulate([jpeg]), "OB"
        elif syntax == uid.RLELossless:
            dataset.compress(uid.RLELossless, generate_instance_uid=False)
        elif syntax.is_compressed and syntax != uid.DeflatedExplicitVRLittleEndian:
            return recoded(bytes_of(dataset), syntax)
        dataset.file_meta.TransferSyntaxUID = syntax
        return bytes_of(dataset)

    return make


def dicom_of(pixels, *, big_endian=False):
    """Return pixels as a pydicom dataset."""
    from pydicom import uid
    from pydicom.dataset import Dataset, FileMetaDataset

    dataset, bits, colour = Dataset(), 8 * pixels.dtype.itemsize, pixels.ndim == 3
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = uid.ComputedRadiographyImageStorage, "1.2.3"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<")).tobytes()
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"
    return dataset


def bytes_of(dataset) -> bytes:
    """Return a pydicom dataset as the bytes of a file."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def recoded(tmp_path_factory):
    """Return a function that compresses an uncompressed DICOM file with GDCM."""

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
        dataset, coded = pydicom.dcmread(source), pydicom.dcmread(target)  # GDCM writes random identifiers into the second
        dataset.PixelData, dataset.file_meta.TransferSyntaxUID = coded.PixelData, syntax
        dataset["PixelData"].VR = "OB"
        return bytes_of(dataset)

    return recode


@dataclass(frozen=True)
class PostgreSQL:
    """A real server for the tests, on a free port of this machine; its administrator is `cxrbench`."""

    binaries: Path
    folder: Path
    port: int
    password: str = "p4ss/word of a test"

    def url(self, database, password="p4ss%2Fword of a test"):
        return f"postgresql://cxrbench:{password}@127.0.0.1:{self.port}/{database}"

    def run(self, program, *arguments):
        """Run one of the server's programs; root runs it as another user, as the server refuses root."""
        as_user = {"user": self.folder.owner()} if os.geteuid() == 0 else {}
        command = [self.binaries / program, *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=60, **as_user)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def control(self, verb, *arguments):
        log = ("-l", self.folder / "log") if verb in {"start", "restart"} else ()
        self.run("pg_ctl", verb, "-w", "-D", self.folder / "data", *log, *arguments)

    def create(self, database):
        """Create an empty database and return its URL."""
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
    """Start a PostgreSQL server in an empty folder; skip if PostgreSQL is not installed."""
    pytest.importorskip("psycopg", reason="needs pip install 'cxrbench[postgresql]'")
    binaries = _postgresql_binaries()
    if not binaries:
        pytest.skip("no PostgreSQL server: initdb, pg_ctl and postgres are neither in PATH nor in /usr/lib/postgresql")
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
            *("initdb", "-D", folder / "data", "-U", "cxrbench", "-E", "UTF8", "--locale=C", "--no-sync"),
            *("--auth=scram-sha-256", "--pwfile", folder / "password"),
        )
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write("fsync = off\n")  # these tests kill the server, not the machine
            file.write(f"port = {server.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n")
        server.control("start")
        yield server
        server.control("stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
