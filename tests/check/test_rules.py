"""Every rule: its own examples, both ways, and a table of forms that must or must not be found.

The examples come from the rule data, so the porting guide cannot show code the checker sees differently.
"""

from __future__ import annotations

import ast

import pytest

from dualstack.check.catalog import GROUPS, RULES
from dualstack.check.engine import check_text

ALL = [pytest.param(rule, id=rule.code) for rule in RULES.values()]


def codes(text: str) -> set[str]:
    return {finding.code for finding in check_text("example.py", text)}


@pytest.mark.parametrize("rule", ALL)
def test_bad_example_is_found(rule):
    assert rule.code in codes(rule.bad)


@pytest.mark.parametrize("rule", ALL)
def test_default_rules_are_found_without_strict(rule):
    found = {f.strict for f in check_text("example.py", rule.bad) if f.code == rule.code}
    assert found == {rule.strict}


@pytest.mark.parametrize("rule", ALL)
@pytest.mark.parametrize("form", ["plain", "ours"])
def test_replacements_are_not_found(rule, form):
    text = getattr(rule, form)
    ast.parse(text)
    assert rule.code not in codes(text)


@pytest.mark.parametrize("rule", ALL)
def test_replacements_raise_no_default_finding(rule):
    for text in (rule.plain, rule.ours):
        assert [f.code for f in check_text("example.py", text) if not f.strict] == []


@pytest.mark.parametrize("rule", [p for p in ALL if p.values[0].fixable])
def test_fixable_rules_offer_an_edit(rule):
    assert any(f.edits for f in check_text("example.py", rule.bad) if f.code == rule.code)


def test_codes_belong_to_their_group():
    for group in GROUPS:
        for rule in group.rules:
            assert rule.code.startswith(group.prefix)
            assert rule.title and rule.why and rule.reference and not rule.title.endswith(".")
    assert len({rule.slug for rule in RULES.values()}) == len(RULES)
