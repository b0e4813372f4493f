"""python -m dualstack.check: the same as python -m dualstack check."""

from __future__ import annotations

import os
import sys

from .cli import main

if __name__ == "__main__":
    try:
        status: int = main()
    except OSError:  # nobody reads any more, as in | head; Python would complain again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)
