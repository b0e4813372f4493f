"""``dualstack listen``: an echo server on any mix of addresses, which says who comes and goes."""

from __future__ import annotations

import signal
import sys

from ..core.endpoint import Endpoint
from ..net.listen import open_listener
from .style import Style

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    import socket

__all__ = ("add_parser", "run")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``listen``."""
    parser = subparsers.add_parser(
        "listen",
        help="echo server on any mix of addresses",
        description="Listen until interrupted, print each peer, and send back what it sends.",
        usage="python -m dualstack listen [-h] [--v6only] (HOST PORT | ADDRESS ...)",
    )
    parser.add_argument(
        "address",
        nargs="+",
        metavar="ADDRESS",
        help="host:port, [v6]:port, *:port, %%eth0:port, unix:/path, unix:@name; or HOST and PORT as two words",
    )
    parser.add_argument("--v6only", action="store_true", help="refuse IPv4 clients on IPv6 wildcards")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    words = args.address
    v6only = True if args.v6only else None
    if len(words) == 2 and ":" not in words[1]:  # a port or the name of a service: every address has a colon
        listener = open_listener(words[0], words[1], v6only=v6only)
    else:
        listener = open_listener(words, v6only=v6only)
    style = Style()

    def echo(conn: socket.socket, peer: Endpoint) -> None:
        print(f"{style('+', 'green')} {peer}", flush=True)
        total = 0
        try:
            while data := conn.recv(65536):
                total += len(data)
                conn.sendall(data)
        except OSError as error:
            print(f"{style('!', 'red')} {peer} {error}", flush=True)
        print(f"{style('-', 'dim')} {peer} {total} bytes", flush=True)

    with listener:
        try:
            # A service manager stops us with SIGTERM; both end in the same clean close. Not by a SIGINT of our own: a
            # shell script has that ignored in what it starts with "&".
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            for endpoint in listener.endpoints:
                print(f"listening on {style(str(endpoint), 'cyan')}", flush=True)
            listener.serve(echo)
        except KeyboardInterrupt:
            print(file=sys.stderr)
    return 0
