"""Run a Python program in this process as ``python SCRIPT``, ``python -m MODULE`` or ``python -`` would.

What a program can see of how it was started is made the same: ``sys.argv``, ``sys.path[0]``, the module ``__main__``
with its loader, directories and zip files with a ``__main__.py`` in them, compiled files, what an uncaught exception
prints and the exit status. ``__main__`` is a fresh module that stays in ``sys.modules``, for threads that outlive the
main one and for multiprocessing; ``runpy.run_path`` would take it away at the end.

Left out: ``-i`` and the prompt of an interactive standard input.
"""

from __future__ import annotations

import io
import os
import sys
from importlib.machinery import BuiltinImporter, SourceFileLoader, SourcelessFileLoader
from importlib.util import MAGIC_NUMBER
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, TracebackType
    from typing import Any

__all__ = ("CannotRun", "run_module", "run_script", "run_stdin")

_kept: list[ModuleType] = []  # the __main__ that was ours: its globals are in use further up the stack


class CannotRun(Exception):
    """There is no such program; the message is what Python prints."""


def run_script(path: str, arguments: Sequence[str]) -> None:
    """Run a source file, a compiled file, or a directory or zip file with a ``__main__.py``."""
    sys.argv = [path, *arguments]
    # Python tidies the path up where the system does so by itself, which is Windows, whose paths have two separators.
    full = os.path.abspath(path) if os.altsep else os.path.join(os.getcwd(), path)
    if _holds_modules(full):
        if _has_first_entry():
            sys.path[0] = full
        else:
            sys.path.insert(0, full)  # as Python does, safe path or not
        _run_found("__main__", alter_argv=False)
        return
    try:
        with io.open_code(full) as file:
            data = file.read()
    except OSError as error:
        reason = f"[Errno {error.errno}] {error.strerror}"
        raise CannotRun(f"{sys.executable}: can't open file {full!r}: {reason}") from None
    _set_first_entry(os.path.dirname(os.path.realpath(path)))
    compiled = data.startswith(MAGIC_NUMBER)
    loader = (SourcelessFileLoader if compiled else SourceFileLoader)("__main__", full)
    namespace = _namespace(loader, full)
    if compiled:
        from marshal import loads

        _execute(lambda: loads(data[16:]), namespace)
    else:
        _execute(lambda: compile(data, full, "exec", dont_inherit=True), namespace)


def run_module(name: str, arguments: Sequence[str]) -> None:
    """Run a module or package by its dotted name."""
    sys.argv = ["-m", *arguments]
    _set_first_entry(os.getcwd())
    _run_found(name, alter_argv=True)


def run_stdin(arguments: Sequence[str]) -> None:
    """Run what standard input holds."""
    sys.argv = ["-", *arguments]
    _set_first_entry(os.getcwd() if os.altsep else "")  # Windows spells it out
    data = sys.stdin.buffer.read()
    _execute(lambda: compile(data, "<stdin>", "exec", dont_inherit=True), _namespace(BuiltinImporter, "<stdin>"))


def _namespace(loader: Any, filename: str) -> dict[str, Any]:
    namespace = vars(_fresh_main(loader))
    namespace["__file__"] = filename
    if sys.version_info < (3, 15):
        namespace["__cached__"] = None
    return namespace


# ---------------------------------------------------------------------- running


def _run_found(name: str, *, alter_argv: bool) -> None:
    # The very function that `python -m` calls (Modules/main.c); it runs in the module named __main__.
    from runpy import _run_module_as_main  # type: ignore[attr-defined]  # private, and the same since Python 2.5

    _fresh_main(BuiltinImporter)
    try:
        _run_module_as_main(name, alter_argv)
    except BaseException as error:
        _leave(error)
        raise


def _execute(code: Any, namespace: dict[str, Any]) -> None:
    try:
        program: CodeType = code()
        exec(program, namespace)
    except BaseException as error:
        _leave(error, namespace)
        raise
    _forget_file(namespace)


def _forget_file(namespace: dict[str, Any]) -> None:
    """As Python does at the end of a script, before the exit handlers; for SystemExit it never gets there."""
    for name in ("__file__", "__cached__"):
        namespace.pop(name, None)


def _leave(error: BaseException, namespace: dict[str, Any] | None = None) -> None:
    """Let the uncaught *error* be shown without the frames of this command, by whatever hook the program has set."""
    if isinstance(error, SystemExit):
        return
    traceback = _of_program(error.__traceback__)
    theirs = sys.excepthook

    def hook(kind: type[BaseException], value: BaseException, shown: TracebackType | None) -> None:
        sys.excepthook = theirs
        if value is error:
            value.__traceback__ = sys.last_traceback = shown = traceback
        try:
            theirs(kind, value, shown)
        finally:
            _forget_file(namespace or {})

    sys.excepthook = hook


def _of_program(traceback: TracebackType | None) -> TracebackType | None:
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    return traceback


def _fresh_main(loader: Any) -> ModuleType:
    import builtins

    module = ModuleType("__main__")
    module.__loader__ = loader
    vars(module)["__builtins__"] = builtins
    if sys.version_info < (3, 14):
        module.__annotations__ = {}
    _kept.append(sys.modules["__main__"])
    sys.modules["__main__"] = module
    return module


# ---------------------------------------------------------------------- where modules come from


def _holds_modules(path: str) -> bool:
    """Whether *path* is a directory or an archive: something on which an import system finds modules."""
    from pkgutil import get_importer

    return get_importer(path) is not None


def _has_first_entry() -> bool:
    """Whether Python has put the place of the program it runs (us) in front of the path."""
    return bool(sys.path) and not sys.flags.isolated and not getattr(sys.flags, "safe_path", False)


def _set_first_entry(entry: str) -> None:
    if _has_first_entry():
        sys.path[0] = entry
