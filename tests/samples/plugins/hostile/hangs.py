"""Never comes back."""

import time

from cxrbench import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="hangs", factory=f"{__name__}:build")]


def build(*, input_shape, weights, seed):
    def embed(images):
        print("waiting for a server that is not there")  # noqa: T201  # the log of its row
        while True:
            time.sleep(1)

    return embed
