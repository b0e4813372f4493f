"""The command line: one table of commands, each in its own module, loaded only when asked for.

A command is a module in this folder with ``add_parser(subparsers)``, which adds its parser under its own name, and
``run(args) -> int``, which returns the exit status; ``respell(words) -> words`` and ``transparent = True`` (its
exceptions pass) where it needs them. ``python -m dualstack resolve`` must not pay for the porting
checker, and a command that cannot be imported must not take the others with it.

Exit status: 0 done, 1 the network or the system refused, 2 the command was not understood, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from errno import EINVAL
from importlib import import_module
from importlib.util import find_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("main",)

# Name -> what it does, in the order of the help text. The name is that of the module.
COMMANDS = {
    "demo": "show it working: one listener, clients over IPv4, IPv6 and a Unix socket",
    "listen": "echo server on any mix of addresses",
    "connect": "connect to a host and say how it went, attempt by attempt",
    "resolve": "print the addresses of a host in the order they would be tried, with the reason",
    "interfaces": "list the network interfaces and their addresses",
    "route": "say which address, interface and gateway a destination would use",
    "capabilities": "say what this host can do and how that was found out",
    "forward": "pass connections on from one address to another",
    "check": "find code that works over IPv4 only",
    "run": "run a Python program with its sockets made dual-stack",
    "exec": "open listeners and pass them to another program",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    wanted = next((argument for argument in arguments if not argument.startswith("-")), "")
    parser = argparse.ArgumentParser(
        prog="python -m dualstack",
        description="The same network code over IPv4, IPv6 and Unix-domain sockets.",
        epilog="'python -m dualstack COMMAND --help' explains one command.",
    )
    from .. import __version__

    parser.add_argument("--version", action="version", version=f"dualstack {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    module = None
    for name, what in COMMANDS.items():
        if find_spec(f"{__package__}.{name}") is None:
            continue
        if name == wanted:
            module = import_module(f"{__package__}.{name}")
            module.add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=what)
    # A spelling that argparse cannot take in, such as an option with an optional value and a file behind it.
    respell = getattr(module, "respell", None)
    args = parser.parse_args(arguments if respell is None else respell(arguments))
    if module is None:  # an option stood where the command should be; argparse has complained about all else
        parser.error("name the command first")
    if getattr(module, "transparent", False):  # what it raises is for Python to show, or to exit with
        outcome: int = module.run(args)
        return outcome
    try:
        status: int = module.run(args)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except ValueError as error:  # AddressError above all
        print(f"dualstack {args.command}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if sys.stdout is not None and _reader_left(error):
            # Python would complain again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            print(f"dualstack {args.command}: {error}", file=sys.stderr)
        return 1
    return status


def _reader_left(error: OSError) -> bool:
    """Whether nobody reads our output any more, as in ``| head``."""
    if isinstance(error, BrokenPipeError):
        return True
    # The C library of Windows says EINVAL; unlike an error of a socket, its errors have no number of Windows' own.
    return error.errno == EINVAL and getattr(error, "winerror", 0) is None


if __name__ == "__main__":
    raise SystemExit(main())
