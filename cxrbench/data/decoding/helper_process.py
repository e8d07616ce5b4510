"""Decode one file after the other for the process at the other end of stdin and stdout."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict

MEMORY = 8 * 2**30
"""Bytes of addresses: a film of 30,000 by 30,000 pixels of 16 bits and its file need six thousand million."""


def main() -> None:
    """Answer until there is nothing more to read."""
    from PIL import Image

    from cxrbench.data.decoding.decode import examine_anything
    from cxrbench.data.decoding.helper import HEADER, LENGTH, READY, read_exactly
    from cxrbench.errors import DataError

    _limit_memory()
    Image.MAX_IMAGE_PIXELS = None  # cxrbench.data.decoding.large says what is too large
    asked = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what decoders print is no answer
    with suppress(EOFError, BrokenPipeError):
        answers.write(READY)
        answers.flush()
        while True:
            length, size, with_bars = HEADER.unpack(read_exactly(asked, HEADER.size))
            content = read_exactly(asked, length)
            is_film, answer = True, b""
            try:
                film, facts = examine_anything(content, size=size, resize="pad" if with_bars else "stretch")
                answer = json.dumps(asdict(facts)).encode() + b"\n" + film.tobytes()
            except DataError as error:
                is_film, answer = False, str(error).encode()
            del content  # before the next one comes
            answers.write(LENGTH.pack(is_film, len(answer)) + answer)
            answers.flush()


def _limit_memory() -> None:
    with suppress(ImportError, OSError, ValueError):  # where limits are not known, or lower already
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no copy of a patient's film behind


if __name__ == "__main__":
    main()
