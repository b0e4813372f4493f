"""``python -m dualstack``: the command line, without installing anything."""

from __future__ import annotations

from .cli.__main__ import main

__all__ = ()

if __name__ == "__main__":
    raise SystemExit(main())
