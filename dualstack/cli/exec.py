"""``python -m dualstack exec``: open listeners and hand them to a program, whatever it is written in.

    python -m dualstack exec --listen :8000 unix:/run/app.sock -- gunicorn app:app
    python -m dualstack exec --listen :8000 unix:/run/app.sock -- hypercorn --bind=fd://{fd} app:app
    python -m dualstack exec --listen :8000 unix:/run/app.sock --each -- uvicorn --fd {fd} app:app

The program gets the sockets by the protocol of sd_listen_fds(3): descriptors from 3 on, LISTEN_FDS, LISTEN_FDNAMES, and
LISTEN_PID, which is its own process id and therefore set between fork and exec. For programs that take a number
instead, an argument with ``{fd}`` in it is repeated for each socket. A program that takes one number only is started
once for each socket with ``--each``.

This process stays as the parent (supervisor.py): it holds the sockets, so that connections wait in their backlog while
nobody accepts, passes signals on, and removes the socket files at the end. With ``--restart`` the program is started
again when it ends, and SIGHUP replaces it without losing a connection (handover.py).

Left out: handing over without fork (exec in place). It would save a process and leave the socket files behind.
"""

from __future__ import annotations

import argparse
import os

from .. import platforms
from ..errors import UnsupportedError
from ..net.listen import open_listener
from .handover import Generation
from .supervisor import Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ("add_parser", "run")


def add_parser(subparsers: Any) -> None:
    """Add the ``exec`` command."""
    parser = subparsers.add_parser(
        "exec",
        help="open listeners and pass them to another program",
        description="Open listeners and pass them to COMMAND by LISTEN_FDS, LISTEN_FDNAMES and LISTEN_PID.",
        epilog="An argument of COMMAND with {fd} in it is repeated with the number of each socket.",
    )
    parser.add_argument(
        "--listen",
        metavar="[NAME=]ADDRESS",
        nargs="+",
        action="extend",
        required=True,
        help="what to listen on (:80, [::1]:80, localhost:80, unix:/run/app.sock) and its name in LISTEN_FDNAMES",
    )
    parser.add_argument(
        "--each", action="store_true", help="start COMMAND once for each socket, with that socket alone"
    )
    parser.add_argument("--restart", action="store_true", help="start COMMAND again when it ends; replace it at SIGHUP")
    parser.add_argument(
        "--overlap",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="how long a new program must live before it takes over (default 1)",
    )
    parser.add_argument(
        "--grace",
        type=_seconds,
        default=30.0,
        metavar="SECONDS",
        help="until a replaced program is killed (default 30; inf: never)",
    )
    parser.add_argument("--backlog", type=int, help="connections that may wait (default: the most the system allows)")
    parser.add_argument("--mode", type=_mode, default=0o600, help="mode of socket files, octal (default 600)")
    parser.add_argument("--owner", type=_number_or_name, help="owner of socket files")
    parser.add_argument("--group", type=_number_or_name, help="group of socket files")
    parser.add_argument("--takeover", choices=("stale", "refuse", "force"), default="stale")
    # Not "command": that is the word the user began with, here "exec".
    parser.add_argument("program", nargs="+", metavar="COMMAND", help="the program and its arguments, after --")


def run(args: argparse.Namespace) -> int:
    """Open the listeners, run the program, and return its exit status (128 + N when signal N killed it)."""
    if not hasattr(os, "fork"):
        system = platforms.current.name
        raise UnsupportedError("handing listeners to another program", system, "pass the sockets inside one program")
    groups: dict[tuple[str, bool], list[str]] = {}
    for text in args.listen:
        name, address = _named(text)
        inherited = address.startswith(("fd:", "systemd:", "launchd:"))
        groups.setdefault((name, inherited), []).append(address)
    settings = {"backlog": args.backlog, "mode": args.mode, "owner": args.owner, "group": args.group}
    generation = Generation(settings)
    try:
        for (name, inherited), addresses in groups.items():
            listener = open_listener(addresses, takeover=args.takeover, **settings)
            generation.add(name, listener, shared=inherited)
        supervisor = Supervisor(args.program, generation, each=args.each, restart=args.restart)
        supervisor.overlap, supervisor.grace = args.overlap, args.grace
    except BaseException:
        generation.close()
        raise
    return supervisor.run()


def _mode(text: str) -> int:
    try:
        return int(text, 8)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an octal number, as 660 is") from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:  # nan is not
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


def _number_or_name(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text


def _named(text: str) -> tuple[str, str]:
    """Split ``NAME=ADDRESS``; a ``=`` further back belongs to a path."""
    name, equals, address = text.partition("=")
    if equals and name and not set(name) & set(":/[%@*"):
        return name, address
    return "listen", text
