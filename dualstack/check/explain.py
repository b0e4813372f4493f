"""``--explain CODE`` and ``--statistics``: what a rule is about, and how often each was found."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable

from .catalog import GROUPS, RULES
from .model import NOT_CHECKED, Finding, Rule

__all__ = ("explain", "list_rules", "statistics")


def explain(code: str) -> str | None:
    """The text about a code, or about every code of a group; None when there is no such code."""
    wanted = code.upper()
    if wanted == NOT_CHECKED:
        return f"{NOT_CHECKED} not-checked\n\nThe file could not be read or parsed; its message says why.\n"
    by_name = {rule.slug: rule for rule in RULES.values()}
    rules = [rule for rule in RULES.values() if rule.code.startswith(wanted)] if wanted.startswith("DST") else []
    if not rules and code in by_name:
        rules = [by_name[code]]
    return "\n".join(map(_about, rules)) if rules else None


def _about(rule: Rule) -> str:
    notes = []
    if rule.strict:
        notes.append("opt-in: --strict or --select " + rule.code)
    if rule.fixable:
        notes.append("some forms are changed by --fix")
    lines = [f"{rule.code} {rule.slug}" + (f"  ({'; '.join(notes)})" if notes else ""), "", rule.title, ""]
    lines += [*textwrap.wrap(rule.why, 100), ""]
    for title, text in (
        ("Before", rule.bad),
        ("After, standard library", rule.plain),
        ("After, with dualstack", rule.ours),
    ):
        lines += [title + ":", "", textwrap.indent(text.rstrip(), "    "), ""]
    lines += [f"See: {rule.reference}", ""]
    return "\n".join(lines)


def list_rules() -> str:
    lines = []
    for group in GROUPS:
        lines.append(f"{group.prefix}xx  {group.title}")
        for rule in group.rules:
            marks = ("S" if rule.strict else " ") + ("*" if rule.fixable else " ")
            lines.append(f"  {rule.code} {marks} {rule.slug:28} {rule.title}")
    return "\n".join(lines) + "\n\nS: opt-in (--strict)   *: some forms are changed by --fix\n"


def statistics(findings: Iterable[Finding]) -> str:
    counted = Counter(finding.code for finding in findings)
    lines = []
    for code, count in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
        rule = RULES.get(code)
        lines.append(f"{count:6}  {code}  {rule.title if rule is not None else 'file not checked'}\n")
    return "".join(lines)
