"""`python -m cxrbench` is `cxrbench`."""

from cxrbench.cli import main

if __name__ == "__main__":
    main()
