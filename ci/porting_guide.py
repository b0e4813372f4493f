#!/usr/bin/env python3
"""Write docs/porting/ from the rule data of dualstack check.

    python ci/porting_guide.py            # write the pages
    python ci/porting_guide.py --check    # exit 1 when a page differs from the rules

tests/check/test_guide.py runs the check, so the guide cannot say something else than the tool.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dualstack.check.catalog import GROUPS  # noqa: E402 - the path is set first, so that a checkout works uninstalled
from dualstack.check.model import Group, Rule  # noqa: E402

PAGES = ROOT / "docs" / "porting"
MARK = "<!-- written by ci/porting_guide.py from the rules of dualstack check; edit those -->\n"

INDEX = """\
# Porting guide

How to make Python network code work over IPv6 as well as IPv4, and on Windows and macOS as well as Linux. The
pages follow the rules of the checker, which finds the places:

    python -m dualstack check src/
    python -m dualstack check --explain DST501

Each rule shows code that breaks, the same in plain standard library, and the same with dualstack. Rules
marked *opt-in* point at code that is often right; they are shown with `--strict`.

{table}
## Saying that a place is right

Some protocols are IPv4 by definition. Say so, with the reason, and the checker is silent there:

    sock = socket.socket(AF_INET, SOCK_DGRAM)  # dualstack: v4-only because SOCKS4 carries four bytes

`v4-only` silences the address rules, `unix-only` and `linux-only` those of group 8. On a line of its own
the remark covers the next statement, on a `def` or `class` line the whole body, above the first statement of
a file the file. `# noqa: DST501` works too; a remark without a reason is a finding of its own (DST905).

A project that starts with many findings writes them down once and sees only new ones:

    python -m dualstack check --write-baseline porting.json src/
    python -m dualstack check --baseline porting.json src/

See [where to run it](running.md) for configuration, pre-commit, flake8, GitHub Actions and editors.
"""


def page(group: Group) -> str:
    lines = [MARK, f"# {group.prefix}xx: {group.title}", "", group.essay, ""]
    for rule in group.rules:
        lines += _section(rule)
    return "\n".join(lines)


def _section(rule: Rule) -> list[str]:
    notes = [f"`{rule.slug}`"]
    if rule.strict:
        notes.append("opt-in (`--strict`)")
    if rule.fixable:
        notes.append("some forms are changed by `--fix`")
    return [
        f"## {rule.code}: {rule.title}",
        "",
        ", ".join(notes),
        "",
        rule.why,
        "",
        "Before:",
        "",
        "```python",
        rule.bad.rstrip(),
        "```",
        "",
        "After, standard library:",
        "",
        "```python",
        rule.plain.rstrip(),
        "```",
        "",
        "After, with dualstack:",
        "",
        "```python",
        rule.ours.rstrip(),
        "```",
        "",
        f"See: {rule.reference}",
        "",
    ]


def index() -> str:
    table = ["| codes | page | rules |", "| --- | --- | --- |"]
    for group in GROUPS:
        opt_in = sum(rule.strict for rule in group.rules)
        count = f"{len(group.rules)}" + (f", {opt_in} opt-in" if opt_in else "")
        table.append(f"| {group.prefix}xx | [{group.title}]({group.slug}.md) | {count} |")
    return MARK + "\n" + INDEX.format(table="\n".join(table) + "\n")


def pages() -> dict[str, str]:
    """Every generated file of docs/porting/ with its text."""
    texts = {f"{group.slug}.md": page(group) for group in GROUPS}
    texts["index.md"] = index()
    return texts


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a page differs")
    args = parser.parse_args()
    PAGES.mkdir(parents=True, exist_ok=True)
    stale = []
    for name, text in pages().items():
        path = PAGES / name
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(name)
            if not args.check:
                path.write_text(text, "utf-8")
    if args.check and stale:
        print(
            "docs/porting differs from the rules: " + ", ".join(stale) + "; run ci/porting_guide.py",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
