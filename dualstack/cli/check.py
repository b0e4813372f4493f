"""``dualstack check``: the porting checker, which stands alone and reads its own options."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

__all__ = ("add_parser", "run")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``check``."""
    # No option begins with NUL, so all of them pass as they are, --help included, to the parser of the checker.
    parser = subparsers.add_parser(
        "check", help="find code that works over IPv4 only", add_help=False, prefix_chars="\0"
    )
    parser.add_argument("arguments", nargs="*")


def run(args: argparse.Namespace) -> int:
    """Exit status as linters have it: 0 nothing found, 1 findings, 2 something could not be checked."""
    from ..check.cli import main

    return main(args.arguments)
