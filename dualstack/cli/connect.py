"""``dualstack connect``: a two-way pipe to a host, and on request the story of how the connection came about.

Standard input goes to the host, what it sends goes to standard output, as with nc. ``--explain`` draws the race
instead: look-ups, attempts, winner, TLS, each on its own line of time; ``--explain=svg FILE`` draws a picture.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading

from .. import doors
from ..core.endpoint import Endpoint
from ..core.trace import TraceEvent
from ..errors import ConnectError
from ..net.connect import connect
from .style import Style
from .timeline import Timeline

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

__all__ = ("add_parser", "respell", "run")

_CHUNK = 65536


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``connect``."""
    parser = subparsers.add_parser(
        "connect",
        help="connect to a host and say how it went, attempt by attempt",
        description="Connect to the first address of a host that answers (RFC 8305) and pipe standard input and output"
        " through the connection.",
        usage="python -m dualstack connect [options] (HOST PORT | ADDRESS)",
    )
    parser.add_argument(
        "address",
        nargs="+",
        metavar="ADDRESS",
        help="host:port, host:service, [v6]:port, unix:/path, unix:@name; or HOST and PORT as two words",
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="draw the race as a time line and close the connection; --explain=svg FILE draws a picture",
    )
    parser.add_argument("--explain-svg", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--tls", action="store_true", help="speak TLS and verify the certificate")
    parser.add_argument("--insecure", action="store_true", help="with --tls: do not verify anything")
    parser.add_argument("--server-hostname", metavar="NAME", help="with --tls: the name to ask for and to verify")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="for everything up to the connection")
    parser.add_argument("--local", metavar="ADDRESS", help="address, port or %%interface to connect from")
    parser.add_argument("--attempt-delay", type=float, default=0.25, metavar="SECONDS", help="default %(default)g")
    parser.add_argument("--one-by-one", action="store_true", help="one address at a time, no race")
    family = parser.add_mutually_exclusive_group()
    family.add_argument("-4", dest="family", action="store_const", const=socket.AF_INET, help="IPv4 only")
    family.add_argument("-6", dest="family", action="store_const", const=socket.AF_INET6, help="IPv6 only")


def respell(arguments: Sequence[str]) -> list[str]:
    """``--explain=svg FILE`` as one option with its file; argparse has no option whose value takes another value."""
    return ["--explain-svg" if argument == "--explain=svg" else argument for argument in arguments]


def run(args: argparse.Namespace) -> int:
    """Connect, then pipe or explain."""
    words, picture = list(args.address), args.explain_svg
    explain = args.explain or picture is not None
    if len(words) not in (1, 2):
        print("dualstack connect: one ADDRESS, or HOST and PORT", file=sys.stderr)
        return 2
    host, port = (words[0], words[1]) if len(words) == 2 else (words[0], None)
    if explain:
        # All that a race needs, now: the time line is about the network.
        from ..net import selecting, turns  # noqa: F401  # for what they load

    events: list[TraceEvent] = []
    started = doors.current.monotonic()
    failure: OSError | None = None
    sock = None
    try:
        sock = connect(
            host,
            port,
            timeout=args.timeout,
            local=int(args.local) if args.local and args.local.isdecimal() else args.local,
            attempt_delay=None if args.one_by_one else args.attempt_delay,
            family=args.family,
            trace=events.append if explain else None,
            tls=_context(args.insecure) if args.tls else None,
            server_hostname=args.server_hostname,
        )
    except OSError as error:
        if not explain:
            raise
        failure = error
    ended = doors.current.monotonic()
    try:
        if explain:
            timeline = Timeline(events, started, ended)
            if picture is not None:
                with open(picture, "w", encoding="utf-8") as file:
                    file.write(timeline.svg(" ".join(words)))
            else:
                print(timeline.text(Style()))
            if failure is not None:
                first = str(failure).splitlines()[0] if isinstance(failure, ConnectError) else str(failure)
                print(f"dualstack connect: {first}", file=sys.stderr)
                return 1
        elif sock is not None:
            print(f"connected to {Endpoint.peer(sock)}", file=sys.stderr)
            _pipe(sock)
    finally:
        if sock is not None:
            sock.close()
    return 0


def _context(insecure: bool) -> ssl.SSLContext:
    import ssl

    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _pipe(sock: socket.socket) -> None:
    """Copy both ways until the host has ended; the end of standard input is passed on as an end."""

    def send() -> None:
        try:
            while data := os.read(0, _CHUNK):
                sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the connection is gone, and the other direction says so

    # A daemon: nothing can wake a read from a terminal, and the process ends with the connection.
    threading.Thread(target=send, daemon=True).start()
    try:
        while data := sock.recv(_CHUNK):
            os.write(1, data)
    except ConnectionError as error:
        print(f"dualstack connect: {error.strerror}", file=sys.stderr)
