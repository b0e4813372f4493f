"""``dualstack capabilities``: what this host can do, and how that was found out."""

from __future__ import annotations

import json

from ..net.capabilities import Capabilities, capabilities
from .style import Style, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

__all__ = ("add_parser", "as_json", "render", "run")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``capabilities``."""
    parser = subparsers.add_parser(
        "capabilities",
        help="say what this host can do and how that was found out",
        description="Try what sockets can do on this host, undo it at once, and print what the system answered.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print them; a host that lacks something is no failure of this command."""
    found = capabilities()
    print(json.dumps(as_json(found), indent=2) if args.json else render(found, Style()))
    return 0


def as_json(found: Capabilities) -> dict[str, dict[str, object]]:
    """``{"ipv6": {"available": true, "how": "bound ::"}, ...}``"""
    return {c.name: {"available": c.available, "how": c.how} for c in found}


def render(found: Capabilities, style: Style) -> str:
    """One aligned line per capability."""
    rows = []
    for c in found:
        mark = style.good if c else style.none
        rows.append(((mark, style.mark(True if c else None)), (c.name, c.name), (c.how, style(c.how, "dim"))))
    return table(rows)
