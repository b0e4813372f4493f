"""The code of docs/clients.md runs, and prints what the page says it does."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n((?:.*\n)*?)```\n(?:\n((?:    .*\n)+))?", re.M)
BLOCKS = BLOCK.findall(PAGE)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_block(number):
    code, shown = BLOCKS[number]
    for library in re.findall(r"^import (\w+)", code, re.M):
        if library != "dualstack":
            pytest.importorskip(library, reason=f"{library} is not installed; runs in the tox environment clients")
    for library in re.findall(r"dualstack\.shim\.(\w+)", code):
        if library not in ("dial", "unix_urls"):
            pytest.importorskip(library, reason=f"{library} is not installed; runs in the tox environment clients")
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, "clients.md", "exec"), {})
    comments = "".join(f"{text}\n" for text in re.findall(r"print\(.*\)  # (.*)$", code, re.M))
    expected = re.sub(r"^    ", "", shown, flags=re.M) or comments
    times = re.compile(r"\d+\.\d+ s")
    assert times.sub("N s", output.getvalue()) == times.sub("N s", expected)


def test_there_is_a_block_for_each_library():
    named = {name for code, _ in BLOCKS for name in re.findall(r"dualstack\.shim\.(\w+)", code)}
    assert named == {"aiohttp", "dial", "httpcore", "httpx", "requests", "unix_urls", "urllib3"}
