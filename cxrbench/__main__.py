"""`python -m cxrbench` is `cxrbench`."""

import sys

from cxrbench.execution.search_path import libraries_first

if __name__ == "__main__":
    sys.path[:] = libraries_first()  # `python -m` puts the working folder first
    from cxrbench.cli import main

    main()
