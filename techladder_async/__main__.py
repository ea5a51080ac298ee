"""`python -m techladder_async`: the same program as `techladder`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
