"""``dualstack route``: which address, interface and gateway a destination would use, without sending anything."""

from __future__ import annotations

import json

from ..net.routes import gateways, source_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

__all__ = ("add_parser", "run")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``route``."""
    parser = subparsers.add_parser(
        "route",
        help="say which address, interface and gateway a destination would use",
        description="Say how a connection to DESTINATION would leave this host. Nothing is sent and no name is "
        "resolved. Without DESTINATION, list the default routes; * marks what plain traffic takes.",
    )
    parser.add_argument(
        "destination", nargs="?", metavar="DESTINATION", help="an IP address; fe80::1%%eth0 with its zone"
    )
    parser.add_argument("--port", type=int, default=0, help="the TCP port, where routing rules tell ports apart")
    parser.add_argument("--json", action="store_true", help="one JSON value")


def run(args: argparse.Namespace) -> int:
    """Print it; 1 if no packet could leave, 2 for what is no destination."""
    if args.destination is None:
        found = gateways()
        if args.json:
            print(json.dumps([route.to_dict() for route in found], indent=2))
        else:
            for route in found:
                print("*" if route.is_effective else " ", route)
        return 0 if found else 1
    try:
        source = source_for(args.destination, args.port)
    except KeyError as error:  # a zone that is no interface; its text names near ones
        raise ValueError(error.args[0]) from None
    print(json.dumps(source.to_dict(), indent=2) if args.json else source)
    return 0
