"""Helpers of the checker's tests: a command line that runs in a temporary project."""

from __future__ import annotations

import textwrap

import pytest

from dualstack.check.cli import main


class Project:
    """A temporary folder that is also the working folder."""

    def __init__(self, folder, capsys):
        self.folder = folder
        self._capsys = capsys

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def run(self, *arguments):
        """(exit code, stdout, stderr) of the command."""
        self._capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = self._capsys.readouterr()
        return code, out, err

    def codes(self, *arguments):
        """The codes found, by file."""
        _, out, _ = self.run("--format", "flake8", *arguments)
        rows = [line.split(": ", 1) for line in out.splitlines() if ": DST" in line]
        return sorted((place.split(":")[0], rest.split()[0]) for place, rest in rows)


@pytest.fixture
def project(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, capsys)
