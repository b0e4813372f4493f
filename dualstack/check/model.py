"""The words of the checker: a rule, a place, a change of text, a finding.

Everything else passes these around. Lines count from 1, columns from 1 and in characters (not in the
UTF-8 bytes that ``ast`` counts), ends are exclusive: what editors, SARIF and flake8 expect after at most
one subtraction.
"""

from __future__ import annotations

from typing import (
    NamedTuple,
)  # not dataclasses: they cost a run that is answered by the cache a tenth of its time

__all__ = ("NOT_CHECKED", "Edit", "Finding", "Group", "Related", "Rule", "Span")

# The one code that is not a rule: the file could not be checked, the message says why.
NOT_CHECKED = "DST000"


class Rule(NamedTuple):
    """One thing that breaks, with all that is said about it anywhere.

    The texts are the only source of ``--explain``, the porting guide, SARIF help and the tests: ``bad`` must
    be found by the rule, ``plain`` (standard library only) and ``ours`` (with dualstack) must not be found.
    """

    code: str
    slug: str
    title: str
    why: str
    bad: str
    plain: str
    ours: str
    reference: str
    strict: bool = False  # opt-in: often right, so silent by default
    fixable: bool = False  # --fix knows a mechanical change for at least one of its forms


class Group(NamedTuple):
    """The rules of one hundred: one page of the porting guide."""

    prefix: str  # "DST1"
    slug: str
    title: str
    essay: str  # what the group has in common, in plain words
    rules: tuple[Rule, ...]


class Span(NamedTuple):
    """A stretch of source: 1-based lines and character columns, end exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


class Edit(NamedTuple):
    """Replace the text of ``span`` by ``text``; an empty span inserts."""

    span: Span
    text: str


class Related(NamedTuple):
    """A second place that helps to understand a finding."""

    line: int
    column: int
    message: str


class Finding(NamedTuple):
    """One place to port. ``message`` says what breaks here, ``hint`` what to write instead."""

    path: str
    span: Span
    code: str
    message: str
    hint: str = ""
    strict: bool = False
    cell: int = 0  # of a notebook, counted from 1; 0 in a plain file
    edits: tuple[Edit, ...] = ()
    related: tuple[Related, ...] = ()

    @property
    def order(self) -> tuple[str, int, int, int, str]:
        return (self.path, self.cell, self.span.line, self.span.column, self.code)
