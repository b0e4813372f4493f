"""How findings are written: for people, for machines, for code hosts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import TextIO, cast

from dualstack.check.model import Finding

__all__ = ("FORMATS", "LineOf", "Writer", "writer")

LineOf = Callable[[Finding], str]
Writer = Callable[[Sequence[Finding], LineOf, TextIO], None]

_MODULES = {"text": "text", "flake8": "lines", "json": "jsonlines", "sarif": "sarif", "github": "github"}
FORMATS = tuple(_MODULES)


def writer(name: str, tool: str = "dualstack check") -> Writer:
    """The function that writes this format; only its module is loaded. *tool* is the name that SARIF has for us."""
    write = import_module(f".{_MODULES[name]}", __name__).write
    return cast(Writer, partial(write, tool=tool) if name == "sarif" else write)
