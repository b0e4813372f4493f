"""``dualstack interfaces``: the network interfaces and their addresses, all or those that match; or their changes."""

from __future__ import annotations

import json
import sys
from difflib import get_close_matches
from itertools import chain

from ..core.endpoint import IPv4Endpoint, IPv6Endpoint
from ..core.interface import Interface
from ..core.interface_address import InterfaceAddress
from ..core.interfaces import Interfaces
from ..net.interfaces import interfaces
from ..net.watch import watch_interfaces
from .style import Style, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from ..core.changes import Change

__all__ = ("add_parser", "run", "select")

_FAMILIES = {"ipv4": IPv4Endpoint.family, "ipv6": IPv6Endpoint.family}
_KINDS = ("usable", "private", "global", "link-local", "loopback", "temporary")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``interfaces``."""
    parser = subparsers.add_parser(
        "interfaces",
        help="list the network interfaces and their addresses",
        description="List the network interfaces with their addresses. With filters, list the addresses that meet all "
        "of them, the one to prefer first; the exit status is 1 if none does. With --watch, print what changes: all of "
        "it, or what concerns the interfaces and addresses that the filters name.",
    )
    words = ", ".join(["up", "down", *_FAMILIES, *_KINDS])
    parser.add_argument("filter", nargs="*", metavar="FILTER", help=f"{words}, or the name of an interface")
    parser.add_argument("--json", action="store_true", help="one JSON value; with --watch one line for each change")
    parser.add_argument("--watch", action="store_true", help="print what changes until interrupted")


def run(args: argparse.Namespace) -> int:
    """Print them; 1 if filters leave nothing."""
    if args.watch:
        return _watch(args.filter, args.json)
    nics = interfaces()
    if args.filter:
        found = select(nics, args.filter)
        _print_addresses(found, args.json)
        return 0 if found else 1
    if not nics.consistent:
        print("the list kept changing while it was read; something may be missing", file=sys.stderr)
    print(json.dumps(nics.to_dict(), indent=2) if args.json else _escaped(str(nics)))
    return 0


def select(nics: Interfaces, words: list[str]) -> list[InterfaceAddress]:
    """Find the addresses that meet every filter word; ValueError for a word that is none."""
    return nics.addresses(**_keywords(nics, words))


def _concerns(change: Change, seen: dict[str | None, Interface], keywords: dict[str, Any]) -> bool:
    """Say whether *change* is about what the filters name; that events were lost concerns everybody.

    A change of an interface, or of a route, has no kind: filters by kind show changes of addresses only.
    """
    if change.subject == "all":
        return True
    name, value = change.interface, change.value
    if keywords.get("interface", name) != name or (keywords["kind"] and not isinstance(value, InterfaceAddress)):
        return False
    nic = value if isinstance(value, Interface) else seen.get(name)
    if keywords["up"] is not None and (nic is None or nic.is_up != keywords["up"]):
        return False
    if isinstance(value, InterfaceAddress):
        alone = Interfaces([Interface(value.interface, value.index, addresses=(value,))])
        return bool(alone.addresses(up=None, kind=keywords["kind"], family=keywords.get("family")))
    return "family" not in keywords or getattr(value, "family", None) == keywords["family"]


def _keywords(nics: Interfaces, words: list[str]) -> dict[str, Any]:
    """What ``Interfaces.addresses`` takes, from filter words."""
    keywords: dict[str, Any] = {"up": None, "kind": []}
    for word in words:
        if word in ("up", "down"):
            keywords["up"] = word == "up"
        elif word in _FAMILIES:
            keywords["family"] = _FAMILIES[word]
        elif word in _KINDS:
            keywords["kind"].append(word.replace("-", "_"))
        elif word in nics:
            keywords["interface"] = nics[word].name
        else:
            known = ["up", "down", *_FAMILIES, *_KINDS, *nics.names]
            near = get_close_matches(word, known, n=3) or known
            raise ValueError(f"{word!r} is no filter and no interface; there is {', '.join(map(_escaped, near))}")
    return keywords


def _print_addresses(found: list[InterfaceAddress], as_json: bool) -> None:
    if as_json:
        print(json.dumps([one.to_dict() for one in found], indent=2))
        return
    style = Style()
    rows = []
    for one in found:
        words = [word for word in ("temporary", "deprecated", "tentative", "duplicated") if getattr(one, f"is_{word}")]
        host, name, note = _escaped(str(one)), _escaped(one.interface), " ".join(words)
        rows.append(((host, style(host, "bold")), (name, name), (note, style(note, "yellow"))))
    if rows:
        print(table(rows, ""))


def _watch(words: list[str], as_json: bool) -> int:
    with watch_interfaces() as watcher:
        keywords = _keywords(watcher.interfaces, words)
        seen: dict[str | None, Interface] = {}  # those that went are still asked whether they were up
        for change in chain((None,), watcher):
            seen.update((nic.name, nic) for nic in watcher.interfaces)
            if change is not None and _concerns(change, seen, keywords):
                print(json.dumps(change.to_dict()) if as_json else _escaped(str(change)), flush=True)
    return 0


def _escaped(text: str) -> str:
    """Names may be bytes that no terminal can show; show those as escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
