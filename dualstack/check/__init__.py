"""Find IPv4-only, Unix-only and Linux-only socket code in Python source.

    python -m dualstack check src/                 # what to port, why, and what to write instead
    python -m dualstack check --explain DST501     # one rule with before and after

    from dualstack.check import check_source
    for finding in check_source("s.bind(('0.0.0.0', 80))", strict=True):
        print(finding.span.line, finding.code, finding.message)

The checker stands alone: it imports nothing else of dualstack, and nothing it checks.
"""

from __future__ import annotations

from .model import Finding

__all__ = ("Finding", "check_source")


def check_source(text: str, path: str = "<string>", *, strict: bool = False) -> list[Finding]:
    """Every finding in a piece of Python source, in order; with *strict* also those of the opt-in rules.

    ``# noqa`` and ``# dualstack:`` remarks are obeyed. Raises SyntaxError when the text is no Python 3.
    """
    from .engine import Unreadable, check_text

    try:
        findings = check_text(path, text)
    except Unreadable as problem:
        raise SyntaxError(problem.message, (path, problem.line, problem.column, None)) from None
    return [finding for finding in findings if strict or not finding.strict]
