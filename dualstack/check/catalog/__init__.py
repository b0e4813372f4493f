"""All that is said about the rules, as data: one module per group of codes.

``--explain``, the porting guide, SARIF help and the tests read these; nothing is written twice.
"""

from __future__ import annotations

from dualstack.check.model import Group, Rule

from . import addresses, families, hostport, names, options, overcorrections, shapes, text, unix

__all__ = ("GROUPS", "RULES")

GROUPS: tuple[Group, ...] = (
    families.GROUP,
    names.GROUP,
    text.GROUP,
    shapes.GROUP,
    hostport.GROUP,
    addresses.GROUP,
    options.GROUP,
    unix.GROUP,
    overcorrections.GROUP,
)
RULES: dict[str, Rule] = {rule.code: rule for group in GROUPS for rule in group.rules}
