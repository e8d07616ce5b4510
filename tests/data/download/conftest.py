"""A real server on this machine that can also misbehave, and a downloader that fetches from it."""

from __future__ import annotations

import gc
import re
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from cxrbench.data.download import Downloader
from cxrbench.errors import Unavailable


class Server(ThreadingHTTPServer):
    """Serve one content; can be told to hold it back or to break off, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = b""
        self.knows_ranges = True
        self.chunked = False
        self.speaks_http = True
        self.break_after = None
        self.status = 200
        self.hold = None
        self.held = threading.Event()
        self.connections = 0
        self.requests = []
        self.passed_on_to = ""
        self.announced = None
        self.tls = False
        self.tunnel_to = None

    def get_request(self):
        self.connections += 1
        return super().get_request()

    def handle_error(self, request, client_address):
        """Keep quiet about clients that go away."""

    @property
    def address(self):
        return f"127.0.0.1:{self.server_port}"

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.address}/image.bin"

    def protect(self, certificate):
        """Speak TLS from now on, with a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.tls = True

    @property
    def ranges(self):
        return [range_ for _, range_ in self.requests]


def relay(source, target):
    """Pass on what one socket sends until it ends, then say so."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        """Keep quiet."""

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path, wanted))
        if not self.server.speaks_http:
            self.wfile.write(b"220 welcome to a mail server\r\n")
            return
        if self.server.passed_on_to:
            self.send_response(302)
            self.send_header("Location", self.server.passed_on_to)
            self.end_headers()
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and self.server.knows_ranges else 0
        if self.server.status != 200 or (start and start >= len(self.server.content)):
            self.send_error(416 if self.server.status == 200 else self.server.status)
            return
        self.answer(start)

    def do_CONNECT(self):
        """Be a proxy whose every host is one server on this machine."""
        self.server.requests.append((self.path, None))
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        with socket.create_connection(self.server.tunnel_to, timeout=10) as there:
            back = threading.Thread(target=relay, args=(there, self.connection))
            back.start()
            relay(self.connection, there)
            back.join()

    def answer(self, start):
        total = len(self.server.content)
        body = self.server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if self.server.chunked:
            self.protocol_version = "HTTP/1.1"
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(self.server.announced or len(body)))
        self.end_headers()
        sent = body[: self.server.break_after]
        half = len(sent) // 2
        self.write(sent[:half])
        self.server.held.set()
        if self.server.hold:
            self.server.hold.wait(20)
        self.write(sent[half:])
        if self.server.chunked and self.server.break_after is None:
            self.wfile.write(b"0\r\n\r\n")

    def write(self, data):
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if self.server.chunked else data)
        self.wfile.flush()


@pytest.fixture(scope="module", autouse=True)
def collected_before():
    """Let the collections of these tests look at their own objects only, which is much faster."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """Keep the cache in this test's own folder and proxies out of the way; report connections that were left open."""
    monkeypatch.setenv("CXRBENCH_HOME", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    yield
    gc.collect()


@contextmanager
def serving():
    with Server() as server:
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def server():
    with serving() as server:
        yield server


@pytest.fixture
def other_server():
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def authority():
    """Return an authority of this test run's own."""
    return trustme.CA()


@pytest.fixture
def trusted(authority, tmp_path, monkeypatch):
    """Have this machine trust the authority, and nobody else."""
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return authority


@pytest.fixture
def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def said():
    return []


@pytest.fixture
def downloader(tmp_path, said):
    return Downloader(folder=tmp_path / "downloads", offline=False, say=said.append)


@pytest.fixture
def reason_for():
    """Return why a download failed, having made sure that it left no file."""

    def reason(downloader, download):
        with pytest.raises(Unavailable) as caught:
            downloader.fetch(download)
        assert not downloader.path_of(download).exists()
        return str(caught.value)

    return reason
