"""`python -m recbench` is the `recbench` command."""

import sys

from recbench.cli import main

if __name__ == "__main__":
    sys.exit(main())
