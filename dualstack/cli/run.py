"""``python -m dualstack run``: a Python program that was written for IPv4, over both families, unchanged.

    python -m dualstack run server.py --port 8000
    python -m dualstack run --listen -m http.server 8000
    python -m dualstack run --report=sarif --output run.sarif -m flask --app shop run

The program runs in this process under ``dualstack.shim.patch``, as Python itself would run it (program.py). With
``--report`` it is watched (observed.py), and what it did over IPv4 alone is listed when it ends, under the rules of
``dualstack check``. Programs that it starts are not: they run without the patch and unwatched.
"""

from __future__ import annotations

import argparse
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ("add_parser", "respell", "run", "transparent")

#: The exceptions and the exit status are those of the program; the command line leaves them alone.
transparent = True

_FORMATS = ("text", "json", "sarif")
_DESCRIPTION = """\
Run a Python program with its sockets made dual-stack: SCRIPT (a file, or a directory or zip file with a __main__.py),
'-' (standard input), or -m MODULE; everything behind it is for the program. Without --connect, --listen or --datagram
it is both of the first two."""
_EPILOG = """\
Sockets bound to "" or 0.0.0.0 hear IPv6 too, and the program goes on seeing AF_INET and (host, port); connections race
both families; what asks for a family or an address gets it. Programs that this one starts are not changed and not
watched: turn reloaders and worker processes that are started anew off. The report lists what was seen, not what there
is: 'dualstack check' reads the source. The exit status is the program's."""


def add_parser(subparsers: Any) -> None:
    """Add the ``run`` command."""
    parser = subparsers.add_parser(
        "run",
        help="run a Python program with its sockets made dual-stack",
        usage="python -m dualstack run [--connect] [--listen] [--datagram] [--report[=FORMAT]] [--output FILE]\n"
        "                               SCRIPT|-|-m MODULE [ARGS...]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("--connect", action="store_true", help="let connections race both families")
    parser.add_argument("--listen", action="store_true", help="let wildcard listeners hear both families")
    parser.add_argument("--datagram", action="store_true", help="let wildcard UDP sockets hear both families")
    parser.add_argument(
        "--report",
        choices=_FORMATS,
        metavar="FORMAT",
        help="at exit, list what was done over IPv4 alone, on standard error: text (default), json or sarif",
    )
    parser.add_argument("--output", metavar="FILE", help="write the report to FILE")
    parser.add_argument("-m", dest="module", metavar="MODULE", nargs=argparse.REMAINDER, help="run a module")
    parser.add_argument("program", metavar="SCRIPT", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def respell(arguments: Sequence[str]) -> list[str]:
    """Write ``--report`` out, for argparse would take the next word for its format, and ``-mMODULE`` apart."""
    words = list(arguments)
    place = words.index("run") + 1
    while place < len(words):
        word = words[place]
        if word == "--report":
            words[place] = "--report=text"
        elif word == "--output":
            place += 1
        elif word.startswith("-m") and word != "-m":
            words[place : place + 1] = ["-m", word[2:]]
            break
        elif word in ("-", "--", "-m") or not word.startswith("-"):
            break
        place += 1
    return words


def run(args: argparse.Namespace) -> int:
    """Run the program; returns 0 where it ends by itself, and raises what it raises."""
    from ..shim import patch
    from .program import CannotRun, run_module, run_script, run_stdin

    words = args.program[1:] if args.program[:1] == ["--"] else args.program
    if not (args.module or words):
        print("dualstack run: name a SCRIPT, - for standard input, or -m MODULE", file=sys.stderr)
        return 2
    if args.output and not args.report:
        print("dualstack run: --output is for --report", file=sys.stderr)
        return 2
    if args.output:
        try:
            open(args.output, "w").close()
        except OSError as error:
            print(f"dualstack run: cannot write the report to {args.output}: {error.strerror}", file=sys.stderr)
            return 1
    if args.report:
        from .observed import Observer
        from .observed_report import write_at_exit

        write_at_exit(Observer.start(), args.report, args.output)
    plain = not (args.connect or args.listen or args.datagram)
    patch(connect=args.connect or plain, listen=args.listen or plain, datagram=args.datagram)
    try:
        if args.module:
            run_module(args.module[0], args.module[1:])
        elif words[0] == "-":
            run_stdin(words[1:])
        else:
            run_script(words[0], words[1:])
    except CannotRun as error:
        print(error, file=sys.stderr)
        return 2
    return 0
