"""Remarks and noqa: what they cover, and that a remark without a reason covers nothing."""

from __future__ import annotations

import textwrap

import pytest

from dualstack.check.engine import check_text

CALL = "socket.gethostbyname(host)"
BECAUSE = "# dualstack: v4-only because the device speaks IPv4"


def codes(text):
    return [finding.code for finding in check_text("a.py", textwrap.dedent(text)) if not finding.strict]


SILENCED = [
    pytest.param(f"import socket\nx = {CALL}  {BECAUSE}\n", id="same line"),
    pytest.param(f"import socket\n{BECAUSE}\nx = {CALL}\n", id="line above"),
    pytest.param(f"import socket\nx = g(\n    1,\n    {CALL},\n)  {BECAUSE}\n", id="last line of the statement"),
    pytest.param(f"import socket\ndef f(host):  {BECAUSE}\n    a = 1\n    return {CALL}\n", id="def line"),
    pytest.param(
        f"import socket\n{BECAUSE}\nclass A:\n    def f(self, host):\n        return {CALL}\n",
        id="above a class",
    ),
    pytest.param(f"import socket\n{BECAUSE}\n@d\ndef f(host):\n    return {CALL}\n", id="above a decorator"),
    pytest.param(f"{BECAUSE}\n\nimport socket\nx = {CALL}\n", id="top of the file"),
    pytest.param(f'"""About."""\n{BECAUSE}\nimport socket\nx = {CALL}\n', id="below the docstring"),
    pytest.param(f"import socket\nx = {CALL}  # noqa\n", id="noqa"),
    pytest.param(f"import socket\nx = {CALL}  # noqa: DST201\n", id="noqa with the code"),
    pytest.param(f"import socket\nx = {CALL}  # NOQA:E501,DST2\n", id="noqa with the group"),
    pytest.param("import socket\ns = socket.AF_UNIX  # dualstack: unix-only because a daemon\n", id="unix-only"),
]
NOT_SILENCED = [
    pytest.param(f"import socket\nx = {CALL}  # noqa: E501\n", ["DST201"], id="noqa with another code"),
    pytest.param(f"import socket\nx = {CALL}  # dualstack: v4-only\n", ["DST201", "DST905"], id="no reason"),
    pytest.param(f"import socket\nx = {CALL}  # dualstack: v4-only because\n", ["DST201", "DST905"], id="empty reason"),
    pytest.param(f"import socket\nx = {CALL}  # dualstack: unix-only because it is\n", ["DST201"], id="the other kind"),
    pytest.param(f"import socket\na = 1  {BECAUSE}\nx = {CALL}\n", ["DST201"], id="another statement"),
    pytest.param(f"import socket\n{BECAUSE}\na = 1\nx = {CALL}\n", ["DST201"], id="only the next statement"),
    pytest.param(f"import socket\nt = '{BECAUSE}'; x = {CALL}\n", ["DST201"], id="inside a string"),
]


@pytest.mark.parametrize("text", SILENCED)
def test_silenced(text):
    assert codes(text) == []


@pytest.mark.parametrize(("text", "expected"), NOT_SILENCED)
def test_not_silenced(text, expected):
    assert sorted(codes(text)) == expected
