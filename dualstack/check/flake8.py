"""The flake8 plugin: the same findings where people already look. Codes begin with DST.

flake8 obeys its own ``# noqa``, ``--select`` and ``--per-file-ignores``; the opt-in rules are switched on by
``--dualstack-strict`` or ``dualstack-strict = true`` in the flake8 section.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from .engine import Unreadable, check_tree
from .module import sibling_twin_exists

__all__ = ("Plugin",)


class Plugin:
    """What flake8 makes for each file."""

    name = "dualstack-check"
    version = "0.1.0"
    strict: ClassVar[bool] = False

    def __init__(self, tree: ast.Module, filename: str, lines: Sequence[str]) -> None:
        self._tree = tree
        self._filename = filename
        self._lines = lines

    @classmethod
    def add_options(cls, manager: Any) -> None:
        manager.add_option(
            "--dualstack-strict",
            action="store_true",
            default=False,
            parse_from_config=True,
            help="also the rules of dualstack check that are often right to break",
        )

    @classmethod
    def parse_options(cls, options: Any) -> None:
        cls.strict = bool(getattr(options, "dualstack_strict", False))

    def run(self) -> Iterator[tuple[int, int, str, type[Plugin]]]:
        text = "".join(self._lines).replace("\r\n", "\n")
        try:
            findings = check_tree(self._filename, text, self._tree, sibling_twin=sibling_twin_exists(self._filename))
        except (Unreadable, RecursionError):
            return  # flake8 reports files it cannot parse itself
        for finding in findings:
            if self.strict or not finding.strict:
                yield (
                    finding.span.line,
                    finding.span.column - 1,
                    f"{finding.code} {finding.message}",
                    type(self),
                )
