"""``dualstack resolve``: the endpoints of a host in the order they would be tried, and why in that order."""

from __future__ import annotations

import json
import socket

from .. import doors
from ..core.address import parse
from ..core.endpoint import Endpoint, IPEndpoint, IPv4Endpoint, IPv6Endpoint
from ..core.order import reason
from ..net.etc import policy
from ..net.resolve import resolve, sources
from .style import Style, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

__all__ = ("add_parser", "run")

_TIMEOUT_SECONDS = 30.0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``resolve``."""
    parser = subparsers.add_parser(
        "resolve",
        help="print the addresses of a host in the order they would be tried, with the reason",
        description="Resolve a host and print its addresses in the order of RFC 6724: each with the source address"
        " this host would use for it, and what decided about its place.",
    )
    parser.add_argument("address", metavar="HOST[:PORT]", help="example.com, example.com:https, [::1]:80, *:80, ...")
    family = parser.add_mutually_exclusive_group()
    family.add_argument("-4", dest="family", action="store_const", const=socket.AF_INET, help="IPv4 only")
    family.add_argument("-6", dest="family", action="store_const", const=socket.AF_INET6, help="IPv6 only")
    parser.add_argument("--passive", action="store_true", help="the addresses to listen on instead")
    parser.add_argument(
        "--timeout", type=float, default=_TIMEOUT_SECONDS, metavar="SECONDS", help="default %(default)g"
    )
    parser.add_argument("--json", action="store_true", help="a JSON array")


def run(args: argparse.Namespace) -> int:
    """Resolve and print."""
    address = parse(args.address, default_port=0)
    found = resolve(address, family=args.family, passive=args.passive, timeout=args.timeout)
    door = doors.current
    source_of, rules = sources(door), policy(door)
    rows = []
    for endpoint in found:
        row: dict[str, str | None] = {"endpoint": _text(endpoint), "source": None, "reason": "nothing to sort"}
        if isinstance(endpoint, IPEndpoint):
            source = source_of(endpoint)
            row["source"] = _host(source) if source is not None else None
            row["reason"] = reason(endpoint, source, rules)
        rows.append(row)
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    style = Style()
    lines = []
    for row in rows:
        text, why = row["endpoint"] or "", row["reason"] or ""
        source_text = f"from {row['source']}" if row["source"] else style.none
        lines.append([(text, style(text, "cyan")), (source_text, source_text), (why, style(why, "dim"))])
    print(table(lines, indent=""))
    return 0


def _text(endpoint: Endpoint) -> str:
    """With its port, if one was asked for."""
    return endpoint.host if isinstance(endpoint, IPEndpoint) and not endpoint.port else str(endpoint)


def _host(packed: bytes) -> str:
    make = IPv4Endpoint if len(packed) == 4 else IPv6Endpoint
    return make(socket.inet_ntop(make.family, packed), 0).host
