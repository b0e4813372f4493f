"""These tests are about Windows itself: they run on a Windows machine, and on Linux under Wine (ci/wine.sh)."""

from __future__ import annotations

import sys

import pytest


def pytest_collection_modifyitems(items):
    if sys.platform != "win32":
        for item in items:
            if "/tests/windows/" in item.path.as_posix():
                item.add_marker(pytest.mark.skip(reason="Windows only; runs there and under Wine (ci/wine.sh)"))
