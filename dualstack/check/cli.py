"""The command: python -m dualstack check, or python -m dualstack.check.

Exit codes: 0 nothing found, 1 findings, 2 something could not be checked or a setting is wrong (and nothing
else: a file that cannot be parsed never hides the findings in the others).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from errno import EINVAL, EPIPE
from typing import TextIO

from .baseline import Baseline, BaselineError
from .cache import Cache, from_row
from .config import Config, ConfigError, codes, load, per_file, split_list
from .files import TextError, decode, discover, read_bytes
from .ignore import Excludes
from .model import NOT_CHECKED, Finding
from .report import FORMATS
from .runner import Outcome, check_bytes, run, terminal_progress

__all__ = ("main",)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dualstack check",
        description="Find IPv4-only, Unix-only and Linux-only socket code in Python source.",
        epilog="Settings are also read from [dualstack.check] in setup.cfg or tox.ini and "
        "[tool.dualstack.check] in pyproject.toml.",
    )
    add = parser.add_argument
    add(
        "paths",
        nargs="*",
        metavar="PATH",
        help="files and folders; - is standard input (default: the working folder)",
    )
    add("--format", choices=FORMATS, default="text", help="how findings are written")
    add("--output", metavar="FILE", help="write the report to FILE")
    add("--strict", action="store_true", default=None, help="also the rules that are often right to break")
    add("--select", metavar="CODES", help="only these codes or groups, such as DST5,DST801")
    add("--ignore", metavar="CODES", help="not these codes or groups")
    add("--per-file-ignores", metavar="PATTERN:CODE", action="append", help="not these codes in these files")
    add("--exclude", metavar="PATTERNS", help="leave these files and folders out (replaces the defaults)")
    add("--extend-exclude", metavar="PATTERNS", help="leave these out as well")
    add("--no-gitignore", action="store_true", help="do not read .gitignore")
    add("--fix", action="store_true", help="make the mechanical changes")
    add("--diff", action="store_true", help="show what --fix would change and change nothing")
    add("--baseline", metavar="FILE", help="do not report the findings listed in FILE")
    add("--write-baseline", metavar="FILE", help="list all findings in FILE and report none")
    add("--statistics", action="store_true", help="count findings by code")
    add("--explain", metavar="CODE", help="explain a code, a group or a rule name, and stop")
    add("--rules", action="store_true", help="list all rules, and stop")
    add("--jobs", "-j", type=int, metavar="N", help="processes (default: as many as pay off)")
    add("--no-cache", action="store_true", help="check everything anew")
    add("--cache-dir", metavar="DIR", help="where results are kept (default: .dualstack-check-cache)")
    add("--config", metavar="FILE", help="read settings from FILE only")
    add("--isolated", action="store_true", help="read no settings file")
    add("--stdin-filename", metavar="NAME", default="-", help="what to call standard input in reports")
    add("--exit-zero", action="store_true", help="exit 0 also when something was found")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the checker with these arguments and return its exit code.

    A report that cannot be written is 2, like a file that cannot be read; a pipe that nobody reads is the caller's.
    """
    args = _parser().parse_args(argv)
    try:
        status = _run(args)
        sys.stdout.flush()
    except OSError as error:
        if error.filename is None and error.errno in (EPIPE, EINVAL):  # EINVAL: a broken pipe of Windows
            raise
        if error.filename is None:
            with suppress(OSError, ValueError):  # standard output; Python would complain of it again at exit
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"dualstack check: cannot write the report: {error}", file=sys.stderr)
        return 2
    return status


def _run(args: argparse.Namespace) -> int:
    if args.explain or args.rules:
        return _explain(args.explain)
    try:
        config = _settings(args)
        baseline = Baseline.read(config.baseline) if config.baseline and not args.write_baseline else None
    except (ConfigError, BaselineError) as error:
        print(f"dualstack check: {error}", file=sys.stderr)
        return 2
    problems: list[tuple[str, str]] = []
    texts = _Texts()
    outcome = _check(args, config, texts, problems)
    shown = [finding for finding in outcome.findings if config.shows(finding)]
    if baseline is not None:
        shown = baseline.new(shown, texts.line_of)
    for path, message in problems:
        print(f"{path}: {message}", file=sys.stderr)
    failed = bool(problems) or any(finding.code == NOT_CHECKED for finding in shown)
    if args.write_baseline:
        count = Baseline.write(args.write_baseline, shown, texts.line_of)
        print(f"wrote {count} findings to {args.write_baseline}", file=sys.stderr)
        return 2 if failed else 0
    if args.diff or args.fix:
        shown, unwritable = _fix(shown, texts, write=args.fix and not args.diff)
        for path, message in unwritable:
            print(f"{path}: cannot be changed: {message}", file=sys.stderr)
        failed = failed or bool(unwritable)
        if args.diff:
            return 2 if failed else int(bool(texts.changed))
    _report(args, shown, texts, outcome)
    if failed:
        return 2
    return 1 if shown and not args.exit_zero else 0


def _explain(code: str | None) -> int:
    from .explain import explain, list_rules

    text = explain(code) if code else list_rules()
    if text is None:
        print(f"dualstack check: there is no rule {code!r}; --rules lists them", file=sys.stderr)
        return 2
    sys.stdout.write(text)
    return 0


def _settings(args: argparse.Namespace) -> Config:
    config = Config(root=os.getcwd()) if args.isolated else load(os.getcwd(), args.config)
    changes: dict[str, object] = {}
    if args.select:
        changes["select"] = codes(split_list(args.select), "--select")
    if args.ignore:
        changes["ignore"] = (*config.ignore, *codes(split_list(args.ignore), "--ignore"))
    if args.per_file_ignores:
        changes["per_file_ignores"] = (
            *config.per_file_ignores,
            *per_file(args.per_file_ignores, "--per-file-ignores"),
        )
    if args.exclude:
        changes["exclude"] = split_list(args.exclude)
    if args.extend_exclude:
        base = changes.get("exclude", config.exclude)
        changes["exclude"] = (*base, *split_list(args.extend_exclude))  # type: ignore[misc]  # a tuple of str, set above
    if args.strict:
        changes["strict"] = True
    if args.baseline:
        changes["baseline"] = args.baseline
    if args.jobs is not None:
        changes["jobs"] = max(0, args.jobs)
    if args.no_cache:
        changes["cache"] = False
    if args.cache_dir:
        changes["cache_dir"] = args.cache_dir
    elif not os.path.isabs(config.cache_dir):
        changes["cache_dir"] = os.path.join(config.root, config.cache_dir)
    if args.no_gitignore:
        changes["respect_gitignore"] = False
    return config._replace(**changes)  # type: ignore[arg-type]  # each value was made for its field above


def _check(args: argparse.Namespace, config: Config, texts: _Texts, problems: list[tuple[str, str]]) -> Outcome:
    paths = args.paths or ["."]
    total = Outcome()
    if "-" in paths:
        paths = [path for path in paths if path != "-"]
        data = sys.stdin.buffer.read()
        texts.standard_input(args.stdin_filename, data)
        total.findings = [from_row(args.stdin_filename, row) for row in check_bytes(args.stdin_filename, data)]
        total.files = 1
    if not paths:
        return total
    excludes = Excludes(config.exclude, config.root)
    found = discover(
        paths,
        excludes,
        gitignore=config.respect_gitignore,
        on_error=lambda path, text: problems.append((path, text)),
    )
    cache = Cache(config.cache_dir if config.cache else None)
    outcome = run(found, cache=cache, jobs=config.jobs, progress=terminal_progress())
    cache.save()
    outcome.findings = total.findings + outcome.findings
    outcome.files += total.files
    return outcome


def _report(args: argparse.Namespace, shown: Sequence[Finding], texts: _Texts, outcome: Outcome) -> None:
    out: TextIO = sys.stdout
    if args.output:
        try:
            with open(args.output, "w", encoding="utf-8") as handle:
                _write(args, shown, texts, outcome, handle)
        except OSError as error:
            raise OSError(error.errno, error.strerror, args.output) from error
    else:
        _write(args, shown, texts, outcome, out)


def _write(args: argparse.Namespace, shown: Sequence[Finding], texts: _Texts, outcome: Outcome, out: TextIO) -> None:
    if args.statistics:
        from .explain import statistics

        out.write(statistics(shown))
        return
    if not shown and args.format == "text":
        out.write(f"Nothing found in {outcome.files} files.\n" if outcome.files != 1 else "Nothing found in 1 file.\n")
        return
    from .report import writer

    line_of: Callable[[Finding], str] = texts.line_of
    if args.format in ("sarif", "github"):  # read by code hosts, which know nothing of cells
        lines = {texts.in_file(finding): texts.line_of(finding) for finding in shown}
        shown, line_of = list(lines), lines.__getitem__
    writer(args.format)(shown, line_of, _Printable(out))  # type: ignore[arg-type]  # has what writers use: write()
    if args.format == "text":
        places = len({finding.path for finding in shown})
        fixable = sum(bool(finding.edits) for finding in shown)
        more = f" [*] {fixable} can be changed by --fix." if fixable else ""
        out.write(f"Found {len(shown)} in {places} of {outcome.files} files.{more}\n")


class _Printable:
    """A stream that takes any path: bytes that are no text and letters the terminal lacks are escaped."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._encoding = getattr(out, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        return self._out.write(text.encode(self._encoding, "backslashreplace").decode(self._encoding))


class _Texts:
    """The source texts, read again when a report or a fix needs them."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}
        self._stdin: tuple[str, bytes] | None = None
        self.changed: list[str] = []

    def standard_input(self, name: str, data: bytes) -> None:
        self._stdin = (name, data)

    def data(self, path: str) -> bytes:
        if self._stdin is not None and path == self._stdin[0]:
            return self._stdin[1]
        return read_bytes(path)

    def line_of(self, finding: Finding) -> str:
        """The source line a finding begins on, "" when it cannot be had."""
        lines = self._lines.get(finding.path)
        if lines is None:
            lines = self._lines[finding.path] = self._read(finding.path)
        number = finding.span.line - 1
        if finding.cell:
            return _cell_line(lines, finding)
        return lines[number] if 0 <= number < len(lines) else ""

    def in_file(self, finding: Finding) -> Finding:
        """A finding in a cell with its place in the notebook's file; any other as it is."""
        if not finding.cell:
            return finding
        from .notebook import in_file

        self.line_of(finding)
        return in_file("\n".join(self._lines[finding.path]), finding)

    def _read(self, path: str) -> list[str]:
        try:
            text = decode(self.data(path))
        except (OSError, TextError, ValueError):
            return []
        return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")

    def is_stdin(self, path: str) -> bool:
        return self._stdin is not None and path == self._stdin[0]


def _cell_line(lines: list[str], finding: Finding) -> str:
    from .notebook import Notebook, NotebookError

    try:
        return Notebook("\n".join(lines)).line(finding.cell, finding.span.line)
    except NotebookError:
        return ""


def _fix(shown: Sequence[Finding], texts: _Texts, *, write: bool) -> tuple[list[Finding], list[tuple[str, str]]]:
    """Make (or show) the mechanical changes: what is left, and the files that could not be written."""
    from .rewrite import rewrite

    by_path: dict[str, list[Finding]] = {}
    for finding in shown:
        by_path.setdefault(finding.path, []).append(finding)
    left: list[Finding] = []
    unwritable: list[tuple[str, str]] = []
    for path, findings in by_path.items():
        if not any(finding.edits for finding in findings):
            left.extend(findings)
            continue
        to_stdout = not write or texts.is_stdin(path)
        try:
            done = rewrite(path, findings, texts.data(path), write=write, to_stdout=texts.is_stdin(path))
        except OSError as error:
            if to_stdout:
                raise
            unwritable.append((path, error.strerror or str(error)))  # the others are changed all the same
            done = []
        if done:
            texts.changed.append(path)
        left.extend(finding for finding in findings if finding not in done)
    return left, unwritable
