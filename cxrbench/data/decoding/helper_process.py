"""Decode files that arrive on stdin and write the results to stdout."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict

ADDRESS_SPACE_BYTES = 8 * 2**30
"""An image of 30,000 by 30,000 pixels of 16 bits and its file need 6 billion."""


def serve() -> None:
    """Decode files until stdin ends."""
    from PIL import Image

    from cxrbench.data.decoding.decode import examine_anything
    from cxrbench.data.decoding.helper import READY, REQUEST, RESPONSE, read_exactly
    from cxrbench.errors import DataError

    _limit_resources()
    Image.MAX_IMAGE_PIXELS = None  # cxrbench.data.decoding.large checks the size
    requests = sys.stdin.buffer
    responses = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # decoders may print to stdout
    with suppress(EOFError, BrokenPipeError):
        responses.write(READY)
        responses.flush()
        while True:
            length, size, padded = REQUEST.unpack(read_exactly(requests, REQUEST.size))
            data = read_exactly(requests, length)
            decoded, response = True, b""
            try:
                pixels, facts = examine_anything(data, size=size, resize="pad" if padded else "stretch")
                response = json.dumps(asdict(facts)).encode() + b"\n" + pixels.tobytes()
            except DataError as error:
                decoded, response = False, str(error).encode()
            del data  # free the memory before the next file
            responses.write(RESPONSE.pack(decoded, len(response)) + response)
            responses.flush()


def _limit_resources() -> None:
    with suppress(ImportError, OSError, ValueError):  # unsupported, or the limit is already lower
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would contain the patient's image


if __name__ == "__main__":
    serve()
