"""`python -m vg_keras` is the command `vg-keras`."""

import sys

from vg_keras.cli import main

if __name__ == "__main__":
    sys.exit(main())
