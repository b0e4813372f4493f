"""Check many files: from the cache, in this process, or in several.

Workers are started only when there is enough to do to pay for starting them. What comes back is plain rows
(see ``cache``), so that nothing depends on how a result was obtained.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .cache import Cache, from_row
from .files import TextError, decode, read_bytes
from .model import NOT_CHECKED, Finding

__all__ = ("Outcome", "check_bytes", "run")

# A worker costs about 0.15 s to start; one process checks about 1 MB in that time.
_WORTH_WORKERS_BYTES = 2_000_000
_LONG_LINE_BYTES = 500_000


class Outcome:
    """What a run found: findings in order of path, and how many files were looked at."""

    def __init__(self, files: int = 0) -> None:
        self.findings: list[Finding] = []
        self.files = files


def check_bytes(path: str, data: bytes) -> list[list[Any]]:
    """The findings of one file as rows; what cannot be checked is a DST000 row."""
    from . import engine  # late: a run that is answered by the cache never loads the rules
    from .cache import to_row
    from .module import sibling_twin_exists

    if len(data) > _LONG_LINE_BYTES and max(map(len, data.split(b"\n"))) > _LONG_LINE_BYTES:
        return [_problem("a line of more than 500 kB, probably generated; not checked")]
    try:
        text = decode(data).replace("\r\n", "\n").replace("\r", "\n")
        if path.endswith(".ipynb"):
            return [to_row(finding) for finding in check_notebook(path, text)]
        findings = engine.check_text(path, text, sibling_twin=sibling_twin_exists(path))
    except TextError as error:
        return [_problem(str(error))]
    except engine.Unreadable as problem:
        return [to_row(engine.not_checked(path, problem))]
    except Exception as error:  # noqa: BLE001 - a mistake in one rule must not hide what the others find in all other files
        return [_problem(f"a mistake in the checker, please report it: {type(error).__name__}: {error}")]
    return [to_row(finding) for finding in findings]


def check_notebook(path: str, text: str) -> list[Finding]:
    """The findings of a notebook, counted by cell. Raises engine.Unreadable."""
    from . import engine
    from .notebook import Notebook, NotebookError

    try:
        notebook = Notebook(text)
    except NotebookError as error:
        raise engine.Unreadable(str(error)) from None
    return [notebook.locate(finding) for finding in engine.check_text(path, notebook.text)]


def _problem(message: str, line: int = 1) -> list[Any]:
    return [[line, 1, line, 1], NOT_CHECKED, message, "", 0, 0, [], []]


def run(
    paths: Iterable[str],
    *,
    cache: Cache,
    jobs: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Check *paths* (already discovered). *progress* hears (done, total)."""
    names = list(paths)
    rows: dict[str, list[list[Any]]] = {}
    todo: list[tuple[str, str, bytes]] = []
    size = 0
    for name in names:
        try:
            data = read_bytes(name)
        except TextError as error:
            rows[name] = [_problem(str(error))]
            continue
        except (OSError, ValueError) as error:
            rows[name] = [_problem(f"cannot be read: {getattr(error, 'strerror', None) or error}")]
            continue
        key = cache.key(name, data)
        known = cache.get(key)
        if known is not None:
            rows[name] = known
        else:
            todo.append((name, key, data))
            size += len(data)
        if size > 64_000_000:  # do not hold a whole tree in memory
            _check(todo, rows, cache, jobs, size, progress, len(names))
            todo, size = [], 0
    _check(todo, rows, cache, jobs, size, progress, len(names))
    outcome = Outcome(files=len(names))
    for name in names:
        findings = [from_row(name, row) for row in rows[name]]
        outcome.findings.extend(findings)
    outcome.findings.sort(key=lambda finding: finding.order)
    return outcome


def _check(
    todo: Sequence[tuple[str, str, bytes]],
    rows: dict[str, list[list[Any]]],
    cache: Cache,
    jobs: int,
    size: int,
    progress: Callable[[int, int], None] | None,
    total: int,
) -> None:
    workers = jobs or (os.cpu_count() or 1)
    workers = min(workers, len(todo))
    if workers < 2 or (not jobs and size < _WORTH_WORKERS_BYTES):
        _alone(todo, rows, cache, progress, total)
        return
    import multiprocessing

    # spawn on every system: the same meaning everywhere, and no threads are copied into the children
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        pairs = [(name, data) for name, _, data in todo]
        keys = {name: key for name, key, _ in todo}
        chunk = max(1, min(32, len(pairs) // (workers * 4)))
        for name, found in pool.imap_unordered(_job, pairs, chunk):
            rows[name] = found
            cache.put(keys[name], found)
            if progress is not None:
                progress(len(rows), total)


def _alone(
    todo: Sequence[tuple[str, str, bytes]],
    rows: dict[str, list[list[Any]]],
    cache: Cache,
    progress: Callable[[int, int], None] | None,
    total: int,
) -> None:
    # Syntax trees hold no cycles; scanning millions of live nodes for some costs a third of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        for name, key, data in todo:
            rows[name] = found = check_bytes(name, data)
            cache.put(key, found)
            if progress is not None:
                progress(len(rows), total)
    finally:
        if collecting:
            gc.enable()


def _job(pair: tuple[str, bytes]) -> tuple[str, list[list[Any]]]:
    gc.disable()
    name, data = pair
    return name, check_bytes(name, data)


def terminal_progress() -> Callable[[int, int], None] | None:
    """A counter on stderr for people who wait; None when nobody watches."""
    if not sys.stderr.isatty():
        return None
    import time

    began = time.monotonic()
    last = 0.0

    def show(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - began < 0.5 or (now - last < 0.1 and done < total):
            return
        last = now
        end = "\r\033[K" if done == total else ""
        sys.stderr.write(f"\rchecked {done} of {total} files{end}")
        sys.stderr.flush()

    return show
