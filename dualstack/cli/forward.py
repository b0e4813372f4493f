"""``python -m dualstack forward``: pass connections on to a program that cannot be changed.

    python -m dualstack forward [::]:80 unix:/run/web.sock --to 127.0.0.1:8080
    python -m dualstack forward :443 --to unix:/run/app.sock --proxy-out v2 --idle 600
    python -m dualstack forward :25 --to mail.example:25 --proxy-in 192.0.2.0/28,unix
    python -m dualstack forward udp://:53 --to 192.0.2.53:53

The work is net/forward.py's. Here are its arguments, what is printed, and the end: SIGTERM and SIGINT stop listening at
once and give connections ``--drain`` seconds; a second one ends them.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys

from .. import platforms
from ..net.forward import Forwarder, open_forwarder
from .style import Style

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ("add_parser", "run")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``forward``."""
    parser = subparsers.add_parser(
        "forward",
        help="pass connections on from one address to another",
        description="Listen on addresses and pass what comes on to another one: connections over TCP and Unix sockets"
        " in any combination, datagrams over UDP and Unix sockets likewise.",
        epilog="An ADDRESS is host:port, [v6]:port, :port (every family), %eth0:port, unix:/path, udp://host:port,"
        " unixgram:/path, fd://3 or systemd:name. Without a scheme it is for connections, or for what the other is.",
    )
    parser.add_argument("listen", nargs="+", metavar="LISTEN", help="an ADDRESS to listen on")
    parser.add_argument(
        "--to", required=True, metavar="TARGET", help="the ADDRESS to connect to; names are resolved anew"
    )
    parser.add_argument(
        "--idle",
        type=_seconds,
        metavar="SECONDS",
        help="close what was quiet for so long (default: never; sessions of datagrams 60)",
    )
    parser.add_argument(
        "--connect-timeout",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="for the target, and for a PROXY header that is due (default 10)",
    )
    parser.add_argument(
        "--max-connections",
        type=_count,
        metavar="N",
        help="at a time; others wait in the system's queue (default: as many as there may be descriptors)",
    )
    parser.add_argument(
        "--proxy-out", choices=("v1", "v2"), help="tell the target who the client is, by a PROXY header (UDP: v2 only)"
    )
    parser.add_argument(
        "--proxy-in",
        type=_networks,
        metavar="NETWORKS",
        help="clients are proxies in these networks (192.0.2.0/28,2001:db8::/64,unix) and must send a PROXY header;"
        " all others are refused",
    )
    parser.add_argument(
        "--allow", type=_networks, metavar="NETWORKS", help="serve clients of these networks only (after --proxy-in)"
    )
    parser.add_argument("--mode", type=_octal, default=0o600, help="mode of socket files, octal (default 600)")
    parser.add_argument(
        "--drain",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="what connections have left after SIGTERM or SIGINT (default 10); a second signal ends them",
    )
    parser.add_argument("--verbose", action="store_true", help="print each connection as it comes and goes")


def run(args: argparse.Namespace) -> int:
    """Forward until SIGINT or SIGTERM."""
    logger = logging.getLogger("dualstack")
    handler = _Lines()
    logger.addHandler(handler)
    level, propagates = logger.level, logger.propagate
    logger.setLevel(logging.INFO if args.verbose else logging.WARNING)
    logger.propagate = False
    before: dict[int, Any] = {}
    try:
        platforms.current.raise_fd_limit()
        with open_forwarder(
            args.listen,
            args.to,
            idle=args.idle,
            connect_timeout=args.connect_timeout,
            max_connections=args.max_connections,
            proxy_out=args.proxy_out,
            proxy_in=args.proxy_in,
            allow=args.allow,
            mode=args.mode,
        ) as forwarder:
            stop = _Stop(forwarder, args.drain)
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) != signal.SIG_IGN:  # SIGINT, for what a shell script starts with "&"
                    before[number] = signal.signal(number, stop)
            signal.set_wakeup_fd(forwarder.wakeup_fileno(), warn_on_full_buffer=False)
            style = Style()
            for line in forwarder.lines():
                print(f"forwarding {style(line, 'cyan')} to {args.to}", flush=True)
            forwarder.run()
    finally:
        signal.set_wakeup_fd(-1)
        for changed, earlier in before.items():
            signal.signal(changed, earlier)
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagates
    return 0


class _Stop:
    """The signal handler: the first signal drains, the second one ends."""

    def __init__(self, forwarder: Forwarder, drain: float) -> None:
        self._forwarder = forwarder
        self._drain = drain

    def __call__(self, number: int, frame: object) -> None:
        drain, self._drain = self._drain, 0.0
        count = self._forwarder.connections
        self._forwarder.close(drain)
        if drain and count:
            some = "one connection has" if count == 1 else f"{count} connections have"
            print(f"closing; {some} {drain:g} s left", file=sys.stderr, flush=True)


class _Lines(logging.Handler):
    """Log records as lines: connections to stdout, what failed to stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        warning = record.levelno >= logging.WARNING
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        try:
            if warning:
                print(f"dualstack forward: {text}", file=sys.stderr, flush=True)
            else:
                print(text, flush=True)
        except OSError:  # nobody reads it any more, as in "| head"; that is no reason to stop forwarding
            pass


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


def _count(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of connections")
    return int(text)


def _octal(text: str) -> int:
    try:
        return int(text, 8)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an octal mode such as 660") from None


def _networks(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]
