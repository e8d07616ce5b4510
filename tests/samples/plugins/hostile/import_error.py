"""Needs a module that nobody has; it would have declared the backbone `lost`."""

import no_such_module_anywhere  # noqa: F401
