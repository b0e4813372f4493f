"""Whether a line that needs Unix or Linux is reached only where it works.

Guards come in many shapes: ``hasattr(socket, "AF_UNIX")``, a test on ``sys.platform`` or ``os.name``, a
module flag made from one of them, an early return, ``try``/``except AttributeError``,
``contextlib.suppress``, a skip decorator on a test, and a private function that is only called behind one of
these. Whichever branch the line is in counts as guarded: who writes the test has thought of the other system.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from .module import Module
from .syntax import constant_text, last_name, terminates

__all__ = ("guarded", "is_platform_test", "platform_by_name")

_PLATFORM_FILE = re.compile(
    r"(?:^|[_\W])(?:ps)?(?:linux|posix|unix|darwin|macos|osx|windows|win32|win|nt|bsd|bsdcommon|freebsd|netlink|rtnetlink|iptables|nftables|ipfw|pf|sd_?notify|epoll|kqueue|bluetooth|"
    r"netbsd|openbsd|solaris|sunos|aix|cygwin|systemd|daemonize|daemon)(?:[_\W]|$)",
    re.IGNORECASE,
)


def platform_by_name(module: Module) -> bool:
    """The file or its folder is named after a system: whoever imports it has asked which system this is."""
    parts = module.path.replace("\\", "/").split("/")
    return any(_PLATFORM_FILE.search(part.removesuffix(".py")) for part in parts[-2:])


_PLATFORM_NAME = re.compile(
    r"(?:^|_)(?:win|win32|win64|windows|nt|posix|linux|darwin|macos|mac|osx|cygwin|bsd|freebsd|unix|platform|pypy|jython|"
    r"android|afunix|af_unix|uds)(?:$|_|\d)|[a-z](?:Windows|Linux|Posix|Darwin|Platform|Unix)|"
    r"^(?:os_name|WIN|LINUX|MACOS|platform)$|reuse_?port|keep_?alive|epoll|kqueue",
    re.IGNORECASE,
)
_DECIDES = re.compile(
    r"(?:^|_)(?:is|has|have|support|supports|supported|can|on|available|use|no|not)(?:_|$)|^(?:is|has|can)[A-Z]",
    re.IGNORECASE,
)
_PLATFORM_TEXTS = {
    "win32",
    "nt",
    "posix",
    "linux",
    "linux2",
    "darwin",
    "windows",
    "cygwin",
    "java",
    "win",
    "freebsd",
    "aix",
    "win64",
    "sunos",
    "macos",
}
_SURE_NAMES = {"sys.platform", "os.name", "platform.system", "platform.platform", "sys.getwindowsversion"}


def guarded(module: Module, node: ast.AST, names: Iterable[str], catches: Iterable[str] = ("AttributeError",)) -> bool:
    """Whether *node*, which needs *names* to exist, is guarded; *catches* are exceptions that also do."""
    if platform_by_name(module):
        return True
    wanted, caught = (
        set(names),
        {*catches, "Exception", "BaseException", "AttributeError", "NameError", "ImportError"},
    )
    return _guarded(module, node, wanted, caught, depth=0)


def _guarded(module: Module, node: ast.AST, names: set[str], catches: set[str], depth: int) -> bool:
    for child, parent in module.ancestors(node):
        if isinstance(parent, (ast.If, ast.IfExp, ast.While)) and child is not parent.test:
            if is_platform_test(module, parent.test, names):
                return True
        elif isinstance(parent, ast.BoolOp):
            before = parent.values[: _index(parent.values, child)]
            if any(is_platform_test(module, value, names) for value in before):
                return True
        elif isinstance(parent, ast.Try):
            if child in parent.body and _catches(parent, catches):
                return True
            if isinstance(child, ast.ExceptHandler) and _tried_another_system(parent, child):
                return True
        elif isinstance(parent, (ast.With, ast.AsyncWith)):
            if any(_suppresses(item.context_expr, catches) for item in parent.items):
                return True
        elif isinstance(parent, ast.match_case):
            continue
        elif isinstance(parent, ast.Match):
            if is_platform_test(module, parent.subject, names):
                return True
        elif isinstance(parent, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)) and any(
            is_platform_test(module, test, names) for g in parent.generators for test in g.ifs
        ):
            return True
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if child in parent.body and any(_skips(module, decorator, names) for decorator in parent.decorator_list):
                return True
            if isinstance(parent, ast.ClassDef) and _constructor_refuses(module, parent, names):
                return True
        if _left_early(module, child, parent, names):
            return True
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)) and depth < 2:
            calls = module.callers(parent.name) if len(parent.name) > 3 else []
            inside = [call for call in calls if call is not node]
            # a caller that catches everything has not thought of the other system
            narrow = catches - {"Exception", "BaseException"}
            if inside and all(_guarded(module, call, names, narrow, depth + 1) for call in inside[:20]):
                return True
    return False


def is_platform_test(module: Module, test: ast.AST, names: set[str]) -> bool:
    """An expression whose value depends on the system or on whether one of *names* exists."""
    for inner in ast.walk(test):
        if isinstance(inner, ast.Call):
            if last_name(inner.func) in ("hasattr", "getattr") and len(inner.args) > 1:
                return True
            if last_name(inner.func) == "_has_attr":
                return True
        if isinstance(inner, (ast.Attribute, ast.Name)):
            dotted = module.names.resolve(inner)
            if dotted in _SURE_NAMES:
                return True
            name = inner.attr if isinstance(inner, ast.Attribute) else inner.id
            if _is_flag(module, inner, name, names):
                return True
        elif isinstance(inner, ast.Compare):
            sides = [inner.left, *inner.comparators]
            if any((constant_text(side) or "").lower() in _PLATFORM_TEXTS for side in sides):
                return True
            if constant_text(inner.left) in names:  # "AF_UNIX" in dir(socket)
                return True
    return False


def _is_flag(module: Module, node: ast.AST, name: str, names: set[str]) -> bool:
    if name in names and not isinstance(node, ast.Attribute):
        return False
    if _PLATFORM_NAME.search(name) and name not in names:
        low = name.lower()
        if (
            _DECIDES.search(name)
            or name.isupper()
            or low in ("windows", "linux", "posix", "darwin", "win32", "platform")
        ):
            return True
    if isinstance(node, ast.Name):
        for value in module.module_values(name):
            if not isinstance(value, ast.Name) and value is not node and _plain_platform(module, value):
                return True
        for store in module.facts_at(node).stores.get(name, ())[:3] if node in module.parents else ():
            if store.value is not None and _plain_platform(module, store.value):
                return True
    return False


def _plain_platform(module: Module, value: ast.AST) -> bool:
    for inner in ast.walk(value):
        if isinstance(inner, ast.Call) and last_name(inner.func) in ("hasattr", "getattr") and len(inner.args) > 1:
            return True
        if isinstance(inner, (ast.Attribute, ast.Name)) and module.names.resolve(inner) in _SURE_NAMES:
            return True
    return False


def _catches(node: ast.Try, catches: set[str]) -> bool:
    for handler in node.handlers:
        if handler.body and isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None:
            continue  # cleans up and lets the exception go on
        if handler.type is None:
            return "BaseException" in catches
        kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        if any(last_name(kind) in catches for kind in kinds):
            return True
    return False


def _tried_another_system(node: ast.Try, handler: ast.ExceptHandler) -> bool:
    """``try: import msvcrt`` with this line in its ``except ImportError``."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    missing = any(last_name(kind) in ("ImportError", "ModuleNotFoundError") for kind in kinds)
    return missing and any(
        isinstance(inner, (ast.Import, ast.ImportFrom)) for stmt in node.body for inner in ast.walk(stmt)
    )


def _suppresses(context: ast.expr, catches: set[str]) -> bool:
    if not isinstance(context, ast.Call):
        return False
    called = last_name(context.func)
    if called in ("suppress", "raises"):
        return any(last_name(arg) in catches for arg in context.args)
    return False


def _skips(module: Module, decorator: ast.expr, names: set[str]) -> bool:
    if isinstance(decorator, ast.Call):
        if any(is_platform_test(module, arg, names) for arg in decorator.args):
            return True
        if any("platform" in (constant_text(arg) or "").lower() for arg in decorator.args):
            return True
    low = last_name(decorator.func if isinstance(decorator, ast.Call) else decorator).lower()
    if low in ("usefixtures", "skip", "skipif", "skipunless"):
        call = decorator if isinstance(decorator, ast.Call) else None
        given = [*call.args, *(keyword.value for keyword in call.keywords)] if call is not None else []
        return low != "usefixtures" and any(
            word in (constant_text(arg) or "").lower()
            for arg in given
            for word in ("windows", "win32", "unix", "linux", "posix")
        )
    return bool(re.search(r"skip|only|require|need|unless", low)) and bool(
        re.search(r"win|unix|linux|posix|platform|osx|mac", low)
    )


def _constructor_refuses(module: Module, owner: ast.ClassDef, names: set[str]) -> bool:
    for stmt in owner.body:
        if isinstance(stmt, (ast.FunctionDef, ast.AsyncFunctionDef)) and stmt.name in (
            "__init__",
            "__new__",
            "setUp",
            "setUpClass",
        ):
            for inner in stmt.body:
                if isinstance(inner, ast.If) and terminates(inner.body) and is_platform_test(module, inner.test, names):
                    return True
    return False


def _left_early(module: Module, child: ast.AST, parent: ast.AST, names: set[str]) -> bool:
    """``if os.name == "nt": return`` (or raise, or assert) stands before the line in the same block."""
    for block in (getattr(parent, "body", None), getattr(parent, "orelse", None)):
        if not isinstance(block, list) or child not in block:
            continue
        for stmt in block[: block.index(child)]:
            if isinstance(stmt, ast.If) and terminates(stmt.body) and is_platform_test(module, stmt.test, names):
                return True
            if isinstance(stmt, ast.Assert) and is_platform_test(module, stmt.test, names):
                return True
            if isinstance(stmt, ast.Try) and terminates(stmt.body) is False and _catches(stmt, {"AttributeError"}):
                for handler in stmt.handlers:
                    if terminates(handler.body) and any(name in _attributes(stmt) for name in names):
                        return True
    return False


def _attributes(stmt: ast.Try) -> set[str]:
    return {inner.attr for body in stmt.body for inner in ast.walk(body) if isinstance(inner, ast.Attribute)}


def _index(values: list[ast.expr], child: ast.AST) -> int:
    for index, value in enumerate(values):
        if value is child:
            return index
    return len(values)
