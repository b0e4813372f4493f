"""``--fix`` and ``--diff``: the changed text of a file, written back as it was encoded."""

from __future__ import annotations

import difflib
import io
import os
import sys
import tempfile
import tokenize
from collections.abc import Sequence

from .files import decode
from .fixes import fix_text
from .model import Finding

__all__ = ("rewrite",)


def rewrite(
    path: str, findings: Sequence[Finding], data: bytes, *, write: bool, to_stdout: bool = False
) -> list[Finding]:
    """Change one file, or print the difference when *write* is false; the findings that were fixed.

    The file keeps its encoding, byte-order mark, line ends and mode. It is replaced in one step, so that
    nobody ever sees half of it.
    """
    text = decode(data)
    changed, done = fix_text(text, findings)
    if not done:
        return []
    if not write:
        sys.stdout.writelines(
            difflib.unified_diff(
                text.splitlines(keepends=True), changed.splitlines(keepends=True), f"a/{path}", f"b/{path}"
            )
        )
        return done
    if to_stdout:
        sys.stdout.write(changed)
        return done
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    _replace(path, changed.encode(encoding))
    return done


def _replace(path: str, data: bytes) -> None:
    target = os.path.realpath(path)  # a link stays a link
    folder = os.path.dirname(target)
    number, name = tempfile.mkstemp(dir=folder, prefix=".dualstack-")
    try:
        with os.fdopen(number, "wb") as handle:
            handle.write(data)
        os.chmod(name, os.stat(target).st_mode & 0o7777)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
