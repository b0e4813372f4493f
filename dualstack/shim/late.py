"""Hear of a module right after its first import: a finder on ``sys.meta_path`` that finds nothing by itself.

It asks the other finders for the modules that are waited for, and hands out their answer with a loader around the
loader: when the module has run, its real loader is put back into it and those who wait are called. The finder is there
only while somebody waits. A module that is being imported by another thread at the moment of asking is not heard of.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from importlib.abc import MetaPathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

__all__ = ("LateImports",)


class LateImports(MetaPathFinder):
    """Who waits for which module."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Callable[[str], object]]] = {}
        self._asking: set[tuple[int, str]] = set()

    def wait_for(self, name: str, call: Callable[[str], object]) -> None:
        """Call *call* with *name* after each import of that module."""
        self._waiting.setdefault(name, []).append(call)
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def forget(self, name: str, call: Callable[[str], object]) -> None:
        """Wait no longer; nothing where nobody waited."""
        calls = self._waiting.get(name, [])
        if call in calls:
            calls.remove(call)
        if not calls:
            self._waiting.pop(name, None)
        if not self._waiting and self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, fullname: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find by the other finders, and put our loader around theirs."""
        asking = (get_ident(), fullname)
        if fullname not in self._waiting or asking in self._asking:
            return None
        self._asking.add(asking)
        try:
            spec = self._find_elsewhere(fullname, path, target)
        finally:
            self._asking.discard(asking)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader, self._imported)  # type: ignore[assignment]  # a loader by its methods
        return spec

    def _find_elsewhere(self, fullname: str, path: Any, target: ModuleType | None) -> ModuleSpec | None:
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(fullname, path, target) if find and finder is not self else None
            if spec is not None:
                return spec
        return None

    def _imported(self, name: str) -> None:
        for call in tuple(self._waiting.get(name, ())):
            call(name)


class _Loader:
    """The loader of one module, which tells when it has run."""

    def __init__(self, loader: Any, after: Callable[[str], None]) -> None:
        self._loader = loader
        self._after = after

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the real loader does."""
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run it by the real loader, which is all that is seen from inside."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._after(module.__name__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
