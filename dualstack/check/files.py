"""What is checked: the files below the paths given, and their text.

Folders are walked without following links to folders (a loop of links cannot trap us). A file that is named
on the command line is checked whatever the excludes say; so are the contents of a folder that is named.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator

from .ignore import Excludes, GitIgnore

__all__ = ("MAX_BYTES", "SUFFIXES", "Source", "TextError", "decode", "discover", "read_bytes")

SUFFIXES = (".py", ".pyi", ".pyw", ".ipynb")
# A syntax tree takes up to 300 times the size of its text (measured: lists of small numbers), so 4 MB may
# need 1.2 GB. No file written by a person is that large.
MAX_BYTES = 4_000_000


class TextError(Exception):
    """The bytes are no text that Python would read."""


class Source(str):
    """A path to check, as it shall be printed."""

    __slots__ = ()


def discover(
    paths: Iterable[str],
    excludes: Excludes,
    *,
    gitignore: bool = True,
    on_error: Callable[[str, str], None] | None = None,
) -> Iterator[Source]:
    """Every file to check, each once, in a stable order. *on_error* hears of paths that cannot be read."""
    seen: set[str] = set()
    for path in paths:
        if os.path.isdir(path):
            found: Iterable[str] = _below(path, excludes, GitIgnore(path) if gitignore else None, on_error)
        elif os.path.lexists(path):
            found = (path,)
        else:
            if on_error is not None:
                on_error(path, "no such file or folder")
            continue
        for name in found:
            key = os.path.normpath(name)
            if key not in seen:
                seen.add(key)
                yield Source(name)


def _below(
    top: str, excludes: Excludes, ignore: GitIgnore | None, on_error: Callable[[str, str], None] | None
) -> Iterator[str]:
    def report(error: OSError) -> None:
        if on_error is not None:
            on_error(str(error.filename), error.strerror or str(error))

    for folder, folders, names in os.walk(top, onerror=report):
        shown = "" if folder == os.curdir else folder[2:] if folder.startswith(os.curdir + os.sep) else folder
        kept = []
        for name in sorted(folders):
            path = os.path.join(shown, name)
            if not excludes.match(path) and not (ignore and ignore.ignored(path, True)):
                kept.append(name)
        folders[:] = kept
        for name in sorted(names):
            if not name.endswith(SUFFIXES):
                continue
            path = os.path.join(shown, name)
            if not excludes.match(path) and not (ignore and ignore.ignored(path, False)):
                yield path


def read_bytes(path: str) -> bytes:
    """The content of a file; TextError for what should not be read (too large, a pipe, a device)."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise TextError("not a regular file")  # opening a pipe would wait for ever
    with open(path, "rb") as handle:
        size = os.fstat(handle.fileno()).st_size
        if size > MAX_BYTES:
            limit = MAX_BYTES // 1_000_000
            raise TextError(f"{size / 1e6:.0f} MB, probably generated; not checked above {limit} MB")
        return handle.read(MAX_BYTES + 1)


def decode(data: bytes) -> str:
    """The text of Python source, by its byte-order mark, coding line, or UTF-8; TextError when it is none."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TextError("the file is UTF-16; Python reads UTF-8 or a declared encoding")
    if b"\0" in data:  # each version of Python refuses it elsewhere and in other words
        raise TextError("the file holds NUL bytes")
    import io
    import tokenize  # late: a run that is answered by the cache decodes nothing

    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError as error:
        raise TextError(f"the encoding cannot be told: {error.msg}") from None
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        where = f" at byte {error.start}" if isinstance(error, UnicodeDecodeError) else ""
        raise TextError(f"the file is not {encoding}{where}; a coding line would say what it is") from None
