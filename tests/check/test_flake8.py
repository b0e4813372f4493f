"""The flake8 plugin, alone and inside flake8."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from dualstack.check.flake8 import Plugin

TEXT = "import socket\ns = f(host='127.0.0.1')\nx = socket.gethostbyname(host)\n"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def strict():
    Plugin.parse_options(SimpleNamespace(dualstack_strict=True))
    yield
    Plugin.parse_options(SimpleNamespace())


def rows():
    lines = TEXT.splitlines(keepends=True)
    return [(line, column, text.split()[0]) for line, column, text, _ in Plugin(ast.parse(TEXT), "a.py", lines).run()]


def test_plugin():
    assert rows() == [(3, 4, "DST201")]


def test_strict_option(strict):
    assert rows() == [(2, 11, "DST602"), (3, 4, "DST201")]


def test_a_twin_file_counts_here_too(tmp_path):
    text = "import socket\ndef f(a):\n    s = socket.socket(socket.AF_INET)\n    s.connect(a)\n"
    path = tmp_path / "transport.py"

    def found():
        return [row[2].split()[0] for row in Plugin(ast.parse(text), str(path), text.splitlines(keepends=True)).run()]

    assert found() == ["DST101"]
    (tmp_path / "transport6.py").write_text("")
    assert found() == []


@pytest.mark.skipif(
    find_spec("flake8") is None, reason="flake8 is not installed; runs in the tox environments of the interpreters"
)
def test_inside_flake8(tmp_path):
    (tmp_path / "a.py").write_text(TEXT)
    settings = "[flake8]\nselect = DST\n"
    if not entry_points(group="flake8.extension", name="DST"):  # a plain checkout; installed, flake8 finds us itself
        settings += "[flake8:local-plugins]\nextension =\n    DST = dualstack.check.flake8:Plugin\n"
    (tmp_path / ".flake8").write_text(settings)
    done = subprocess.run(
        [sys.executable, "-m", "flake8", "a.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.startswith("a.py:3:5: DST201") and done.stdout.count("DST") == 1
