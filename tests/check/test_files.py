"""What is checked and what is left out, and files nobody should stumble over."""

from __future__ import annotations

import json
import os
import sys

import pytest

from dualstack.check.files import MAX_BYTES, discover
from dualstack.check.ignore import DEFAULT_EXCLUDES, Excludes

BAD = "import socket\nx = socket.gethostbyname(host)\n"
posix = pytest.mark.skipif(os.name != "posix", reason="symbolic links and pipes as on POSIX; runs on Linux and macOS")


def found(excludes=DEFAULT_EXCLUDES, *paths, **more):
    return sorted(
        path.replace(os.sep, "/") for path in discover(paths or ["."], Excludes(excludes, os.getcwd()), **more)
    )


def test_default_excludes(project):
    for name in (
        "a.py",
        "pkg/b.pyi",
        "pkg/c.txt",
        "build/x.py",
        ".venv/y.py",
        "pkg/node_modules/z.py",
        "n.ipynb",
    ):
        project.write(name, BAD)
    assert found() == ["a.py", "n.ipynb", "pkg/b.pyi"]
    assert found(DEFAULT_EXCLUDES, "build") == ["build/x.py"]  # named by the caller
    assert found((), ".") == [
        ".venv/y.py",
        "a.py",
        "build/x.py",
        "n.ipynb",
        "pkg/b.pyi",
        "pkg/node_modules/z.py",
    ]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        pytest.param("*_pb2.py", ["a.py", "deep/pkg/x.py", "pkg/x.py"], id="name anywhere"),
        pytest.param("pkg", ["a.py", "a_pb2.py"], id="folder anywhere"),
        pytest.param("pkg/x.py", ["a.py", "a_pb2.py", "deep/pkg/x.py"], id="path from the root"),
        pytest.param("**/pkg/*.py", ["a.py", "a_pb2.py"], id="two stars"),
        pytest.param("deep/*", ["a.py", "a_pb2.py", "pkg/x.py"], id="children"),
    ],
)
def test_patterns(project, pattern, left):
    for name in ("a.py", "a_pb2.py", "pkg/x.py", "deep/pkg/x.py"):
        project.write(name, BAD)
    assert found((pattern,)) == left


GITIGNORE = [
    pytest.param("*.py", ["sub/keep.pyi"], id="suffix"),
    pytest.param("/a.py", ["sub/a.py", "sub/gen/b.py", "sub/keep.pyi"], id="anchored"),
    pytest.param("gen/", ["a.py", "sub/a.py", "sub/keep.pyi"], id="folder"),
    pytest.param("*.py\n!a.py", ["a.py", "sub/a.py", "sub/keep.pyi"], id="brought back"),
    pytest.param("sub/**/b.py", ["a.py", "sub/a.py", "sub/keep.pyi"], id="two stars"),
    pytest.param("# a.py\n\n", ["a.py", "sub/a.py", "sub/gen/b.py", "sub/keep.pyi"], id="comment"),
    pytest.param("sub/gen\n!sub/gen/b.py", ["a.py", "sub/a.py", "sub/keep.pyi"], id="not below an ignored folder"),
    pytest.param("[ab].py", ["sub/keep.pyi"], id="set"),
]


@pytest.mark.parametrize(("text", "left"), GITIGNORE)
def test_gitignore(project, text, left):
    (project.folder / ".git").mkdir()
    for name in ("a.py", "sub/a.py", "sub/gen/b.py", "sub/keep.pyi"):
        project.write(name, BAD)
    project.write(".gitignore", text)
    assert found() == left
    assert len(found(DEFAULT_EXCLUDES, ".", gitignore=False)) == 4


def test_gitignore_above_and_below(project):
    (project.folder / ".git").mkdir()
    project.write(".gitignore", "one.py\n")
    project.write("sub/.gitignore", "!one.py\n")
    project.write("one.py", BAD)
    project.write("sub/one.py", BAD)
    assert found(DEFAULT_EXCLUDES, ".") == ["sub/one.py"]
    assert found(DEFAULT_EXCLUDES, "sub") == ["sub/one.py"]


def test_no_repository_no_gitignore(project):
    project.write(".gitignore", "*.py\n")
    project.write("a.py", BAD)
    assert found() == ["a.py"]


STRANGE = [
    pytest.param(b"print 'a'\n", "not Python 3", id="print statement"),
    pytest.param(
        b"try:\n    pass\nexcept A, e:\n    pass\n",
        "not Python 3",
        id="except with a comma",
        marks=pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python 3.14 takes it (PEP 758); runs on 3.13"),
    ),
    pytest.param(b"def f(:\n", "syntax error", id="syntax"),
    pytest.param(b"import socket\0\n", "NUL", id="NUL byte"),
    pytest.param(b"# caf\xe9\n", "encoding", id="no coding line"),
    pytest.param(b"# coding: klingon\n", "klingon", id="unknown encoding"),
    pytest.param("import socket\n".encode("utf-16"), "UTF-16", id="UTF-16"),
    pytest.param(b"x = " + b"(" * 5000 + b"1" + b")" * 5000, "nested", id="parentheses"),
    pytest.param(b"import socket\nx = socket" + b"()" * 3000 + b"\n", "nested too deeply", id="calls"),
    pytest.param(b"x = [" + b"1," * 300_000 + b"]\n", "generated", id="one long line"),
    pytest.param(b"x = 1\n" * (MAX_BYTES // 6 + 1), "generated", id="too large"),
    pytest.param(b"\xef\xbb\xbfx = \xff\n", "encoding", id="broken UTF-8 after a mark"),
]


@pytest.mark.parametrize(("data", "word"), STRANGE)
def test_a_strange_file_is_named_and_the_rest_checked(project, data, word):
    project.write("a_strange.py", data)
    project.write("b_good.py", BAD)
    code, out, err = project.run("--format", "flake8", "--no-cache", ".")
    assert code == 2 and err == ""
    lines = out.splitlines()
    assert lines[0].startswith("a_strange.py:") and "DST000" in lines[0] and word in lines[0]
    assert lines[1].startswith("b_good.py:2:5: DST201")


GOOD = [
    pytest.param(b"\xef\xbb\xbf" + BAD.encode(), 2, id="byte-order mark"),
    pytest.param(BAD.replace("\n", "\r\n").encode(), 2, id="CRLF"),
    pytest.param(BAD.replace("\n", "\r").encode(), 2, id="CR"),
    pytest.param(b"# coding: latin-1\n# \xe9\n" + BAD.encode(), 4, id="latin-1"),
    pytest.param(b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n" + BAD.encode(), 4, id="coding on line two"),
    pytest.param(b"\x0c\n" + BAD.encode(), 3, id="form feed"),
]


@pytest.mark.parametrize(("data", "line"), GOOD)
def test_encodings_and_line_ends(project, data, line):
    project.write("a.py", data)
    _, out, _ = project.run("--format", "flake8", "--no-cache", "a.py")
    assert (
        out
        == f"a.py:{line}:5: DST201 gethostbyname() knows IPv4 only: a host with an IPv6 address alone cannot be found\n"
    )


def test_an_empty_file_is_fine(project):
    project.write("a.py", b"")
    assert project.run("a.py")[0] == 0


def test_missing_path_is_an_error(project):
    code, _, err = project.run("nowhere")
    assert code == 2 and "nowhere: no such file or folder" in err


@posix
def test_links_and_pipes(project):
    project.write("real/a.py", BAD)
    os.symlink(project.folder / "real", project.folder / "real" / "loop")
    os.symlink("self.py", project.folder / "self.py")
    os.mkfifo(project.folder / "pipe.py")
    code, out, _ = project.run("--format", "flake8", "--no-cache", ".")
    assert code == 2
    assert [line.split(":")[0] for line in out.splitlines()] == ["pipe.py", "real/a.py", "self.py"]
    assert "not a regular file" in out and "symbolic links" in out


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root reads everything; runs for other users")
def test_unreadable(project):
    project.write("a.py", BAD).chmod(0)
    folder = project.folder / "locked"
    folder.mkdir(mode=0)
    code, out, err = project.run("--format", "flake8", "--no-cache", ".")
    folder.chmod(0o700)
    assert code == 2 and "cannot be read" in out and "locked" in err


def notebook(*cells):
    return json.dumps({"cells": [{"cell_type": kind, "source": text} for kind, text in cells], "nbformat": 4})


def test_notebook(project):
    project.write(
        "n.ipynb",
        notebook(
            ("markdown", "# title"),
            ("code", ["%matplotlib inline\n", "import socket"]),
            ("code", "!ls\nx = socket.gethostbyname(host)"),
            ("code", "def broken(:"),
            ("code", "%%bash\nnot python"),
        ),
    )
    code, out, _ = project.run("n.ipynb")
    assert code == 1
    assert out.startswith("n.ipynb:cell 3:2:5: DST201")
    assert "x = socket.gethostbyname(host)" in out


NOTEBOOK = """{
 "cells": [
  {"cell_type": "markdown", "source": ["# title"]},
  {
   "cell_type": "code",
   "metadata": {"source": ["import socket"]},
   "source": [
    "import socket\\n",
    "s = \\"\\\\t\\u00e9\\ud83d\\ude00\\"; x = socket.gethostbyname(host)"
   ]
  },
  {"cell_type": "code", "source": "\\ny = 1\\n  \\nz = socket.gethostbyname(host)\\n"}
 ],
 "nbformat": 4
}
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_code_hosts_are_told_the_place_in_the_file(project, newline):
    """They show the JSON and know nothing of cells; editors and people are told the cell."""
    project.write("n.ipynb", NOTEBOOK.replace("\n", newline).encode())
    _, out, _ = project.run("--format", "sarif", "n.ipynb")
    lines = NOTEBOOK.split("\n")
    places = []
    for result in json.loads(out)["runs"][0]["results"]:
        place = result["locations"][0]
        region = place["physicalLocation"]["region"]
        assert region["startLine"] == region["endLine"]
        text = lines[region["startLine"] - 1][region["startColumn"] - 1 : region["endColumn"] - 1]
        places.append((text, region["startLine"], place["logicalLocations"][0]["name"]))
    assert places == [
        ("socket.gethostbyname(host)", 9, "cell 2"),
        ("socket.gethostbyname(host)", 12, "cell 3"),
    ]
    _, out, _ = project.run("--format", "github", "n.ipynb")
    assert [line.split(",")[1] for line in out.splitlines()] == ["line=9", "line=12"]
    _, out, _ = project.run("--format", "flake8", "n.ipynb")
    assert [line.split(": ")[0] for line in out.splitlines()] == ["n.ipynb:cell 2:2:17", "n.ipynb:cell 3:4:5"]


def test_a_broken_notebook_is_named(project):
    project.write("n.ipynb", "not json")
    code, out, _ = project.run("n.ipynb")
    assert code == 2 and "not a Jupyter notebook" in out


def test_standard_input(project, monkeypatch):
    class Stream:
        class buffer:
            @staticmethod
            def read():
                return BAD.encode()

    monkeypatch.setattr(sys, "stdin", Stream)
    code, out, _ = project.run("-", "--stdin-filename", "shown.py")
    assert code == 1 and out.startswith("shown.py:2:5: DST201") and "gethostbyname(host)" in out
