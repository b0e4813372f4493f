"""DST801 to DST814: what exists on Unix, or on Linux, only."""

from __future__ import annotations

import ast
import re

from dualstack.check.fixes import guard_with_hasattr, guard_with_try
from dualstack.check.guards import guarded
from dualstack.check.module import Module
from dualstack.check.registry import on, on_call, on_name
from dualstack.check.syntax import argument, constant_text, last_name, names_in
from dualstack.check.templates import template

__all__ = ()

_NETWORK = (
    "socket",
    "socketserver",
    "asyncio",
    "select",
    "selectors",
    "http.server",
    "twisted",
    "tornado",
    "gevent",
    "eventlet",
    "trio",
    "asyncore",
    "anyio",
    "uvloop",
    "xmlrpc.server",
)


def _reads(module: Module, node: ast.expr) -> bool:
    return (
        isinstance(getattr(node, "ctx", None), ast.Load)
        and not _in_own_guard(module, node)
        and not _annotates(module, node)
    )


def _annotates(module: Module, node: ast.expr) -> bool:
    """Inside an annotation: nothing is done with the name there."""
    for child, parent in module.ancestors(node):
        if isinstance(parent, (ast.AnnAssign, ast.arg)):
            return child is parent.annotation
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return child is parent.returns
        if isinstance(parent, ast.stmt):
            return False
    return False


def _in_own_guard(module: Module, node: ast.expr) -> bool:
    """``hasattr(socket, ...)`` itself, or the right of ``getattr(...) or``."""
    parent = module.parents.get(node)
    return isinstance(parent, ast.Call) and last_name(parent.func) in ("hasattr", "getattr")


def _is_constant(module: Module, node: ast.expr, *owners: str) -> bool:
    """A constant of the socket module, by import or by an unmistakable name."""
    if isinstance(node, ast.Name):
        dotted = module.names.resolve(node)
        if dotted is None:
            return False
        owner = dotted.rpartition(".")[0]
        return owner in owners or (owner == "*" and bool(module.names.star & set(owners)))
    dotted = module.names.resolve(node)
    if dotted is None:
        owner = last_name(node.value) if isinstance(node, ast.Attribute) else ""
        return re.fullmatch(r"_?(?:socket|sock_?mod|socket_?mod(?:ule)?|module|mod)", owner.lower()) is not None
    return dotted.rpartition(".")[0] in owners


@on_name("AF_UNIX")
def af_unix(module: Module, node: ast.expr) -> None:
    """DST801, DST813."""
    if not _reads(module, node) or not _is_constant(module, node, "socket"):
        return
    if guarded(module, node, {"AF_UNIX"}):
        return
    parent = module.parents.get(node)
    if isinstance(parent, ast.Call) and last_name(parent.func) == "socketpair":
        module.report(
            "DST813",
            node,
            "socketpair() has no AF_UNIX on Windows",
            "call socketpair() without a family: it works everywhere",
            strict=True,
        )
        return
    module.report(
        "DST801",
        node,
        "AF_UNIX does not exist in Python on Windows: AttributeError",
        'guard it with hasattr(socket, "AF_UNIX"), or use dualstack.connect("unix:/path") / '
        'open_listener("unix:/path")',
    )


@on(ast.ImportFrom)
def imported_constant(module: Module, node: ast.ImportFrom) -> None:
    """DST801, DST804, DST805, DST807: ``from socket import AF_UNIX`` fails at import time."""
    if node.module not in ("socket", "_socket", "select") or node.level:
        return
    for alias in node.names:
        code = _CODE_OF.get(alias.name)
        if code is None or guarded(module, node, {alias.name}, ("ImportError",)):
            continue
        module.report(
            code,
            alias,
            f"importing {alias.name} fails on {_MISSING_ON.get(alias.name, 'Windows')}",
            f'import socket and test hasattr(socket, "{alias.name}")',
        )


@on_call(
    "start_unix_server",
    "open_unix_connection",
    "create_unix_server",
    "create_unix_connection",
    "UnixConnector",
    "UnixSite",
    "unix_serve",
    "unix_connect",
)
def unix_stream(module: Module, node: ast.Call) -> None:
    """DST802."""
    name = module.real_name(node.func)
    dotted = module.names.resolve(node.func)
    owner = last_name(node.func.value) if isinstance(node.func, ast.Attribute) else ""
    if isinstance(node.func, ast.Attribute) and owner in ("self", "cls", "super"):
        return
    if dotted is None and (isinstance(node.func, ast.Name) or "loop" not in owner.lower()):
        return  # a method of that name on something else, such as an SSH connection: works everywhere
    if dotted is not None and not dotted.startswith(("asyncio", "aiohttp", "websockets", "uvloop")):
        return
    if guarded(module, node, {"AF_UNIX", name}, ("NotImplementedError", "AttributeError")):
        return
    module.report(
        "DST802",
        node,
        f"{name}() does not exist on Windows",
        f'guard it with hasattr(asyncio, "{name}"), and offer TCP on loopback or dualstack.aio there',
    )


@on_call("add_signal_handler")
def signal_handler(module: Module, node: ast.Call) -> None:
    """DST803."""
    owner = last_name(node.func.value) if isinstance(node.func, ast.Attribute) else ""
    if owner in ("self", "cls", "super", "") or owner == "signal" or len(node.args) < 2:
        return
    if not module.names.uses("asyncio", "signal", "uvloop"):
        return
    if guarded(module, node, {"add_signal_handler"}, ("NotImplementedError", "RuntimeError")):
        return
    module.report(
        "DST803",
        node,
        "add_signal_handler() raises NotImplementedError on Windows",
        "catch NotImplementedError and use signal.signal() there",
        edits=guard_with_try(module, node, "NotImplementedError", "event loops on Windows have no signal handlers"),
    )


@on_name("SO_REUSEPORT")
def reuse_port(module: Module, node: ast.expr) -> None:
    """DST804."""
    if not _reads(module, node) or not _is_constant(module, node, "socket") or guarded(module, node, {"SO_REUSEPORT"}):
        return
    module.report(
        "DST804",
        node,
        "SO_REUSEPORT does not exist on Windows: AttributeError",
        'guard it with hasattr(socket, "SO_REUSEPORT")',
        edits=guard_with_hasattr(module, node, "SO_REUSEPORT"),
    )


@on_call("create_server", "start_server", "create_datagram_endpoint", "create_tcp_listener")
def reuse_port_argument(module: Module, node: ast.Call) -> None:
    """DST804 in the form reuse_port=True."""
    value = argument(node, -1, "reuse_port")
    if not (isinstance(value, ast.Constant) and value.value is True):
        return
    if guarded(module, node, {"SO_REUSEPORT"}, ("ValueError",)):
        return
    module.report(
        "DST804",
        value,
        "reuse_port=True raises ValueError where SO_REUSEPORT does not exist",
        'pass reuse_port=hasattr(socket, "SO_REUSEPORT")',
    )


@on_name("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
def keepalive(module: Module, node: ast.expr) -> None:
    """DST805."""
    name = module.real_name(node)
    if (
        not _reads(module, node)
        or not _is_constant(module, node, "socket")
        or guarded(module, node, {name, "TCP_KEEPIDLE", "TCP_KEEPALIVE"})
    ):
        return
    module.report(
        "DST805",
        node,
        f"{name} is missing on macOS before Python 3.10 and on old Windows: AttributeError"
        if name == "TCP_KEEPIDLE"
        else f"{name} is not on every system",
        f'guard it with hasattr(socket, "{name}"); macOS names the idle time TCP_KEEPALIVE',
        edits=guard_with_hasattr(module, node, name),
    )


@on(ast.Call)
def abstract_name(module: Module, node: ast.Call) -> None:
    """DST806: a Unix address that begins with a NUL byte."""
    if last_name(node.func) not in ("bind", "connect", "connect_ex", "sendto") or not node.args:
        return
    address = node.args[-1]
    text = constant_text(address)
    if text is None:
        parts = template(address)
        text = parts[0] if parts and isinstance(parts[0], str) else None
    if text is None and isinstance(address, ast.Name):
        text = module.text_of(address, node)
        for store in module.facts_at(node).stores.get(address.id, ()):
            parts = template(store.value) if store.value is not None and text is None else None
            if parts and isinstance(parts[0], str):
                text = parts[0]
    if text is None or not text.startswith("\0") or guarded(module, node, {"AF_UNIX"}):
        return
    module.report(
        "DST806",
        node,
        "abstract Unix addresses exist on Linux only",
        "use a path in a private directory elsewhere; dualstack reads unix:@name and says so in its error",
    )


_MISSING_ON = {
    "SO_BINDTODEVICE": "macOS and Windows", "SO_MARK": "macOS and Windows",
    "SO_PEERCRED": "macOS and Windows", "SO_PRIORITY": "macOS and Windows",
    "SO_PASSCRED": "macOS and Windows", "SO_DOMAIN": "macOS and Windows",
    "SO_PROTOCOL": "macOS and Windows", "SO_INCOMING_CPU": "macOS and Windows",
    "AF_PACKET": "macOS and Windows", "AF_NETLINK": "macOS and Windows", "AF_VSOCK": "macOS and Windows",
    "AF_CAN": "macOS and Windows", "AF_ALG": "macOS and Windows", "AF_TIPC": "macOS and Windows",
    "AF_QIPCRTR": "macOS and Windows", "AF_BLUETOOTH": "macOS", "SOCK_CLOEXEC": "macOS and Windows",
    "SOCK_NONBLOCK": "macOS and Windows", "MSG_NOSIGNAL": "macOS and Windows", "MSG_DONTWAIT": "Windows",
    "MSG_ERRQUEUE": "macOS and Windows", "MSG_CMSG_CLOEXEC": "macOS and Windows",
    "MSG_CONFIRM": "macOS and Windows", "MSG_MORE": "macOS and Windows",
    "MSG_FASTOPEN": "macOS and Windows", "TCP_CORK": "macOS and Windows",
    "TCP_QUICKACK": "macOS and Windows", "TCP_USER_TIMEOUT": "macOS and Windows",
    "TCP_DEFER_ACCEPT": "macOS and Windows", "TCP_INFO": "macOS and Windows",
    "TCP_SYNCNT": "macOS and Windows", "TCP_LINGER2": "macOS and Windows",
    "TCP_WINDOW_CLAMP": "macOS and Windows", "TCP_CONGESTION": "macOS and Windows",
    "TCP_ULP": "macOS and Windows", "IP_TRANSPARENT": "macOS and Windows",
    "IP_RECVERR": "macOS and Windows", "IP_BIND_ADDRESS_NO_PORT": "macOS and Windows",
    "SCM_CREDENTIALS": "macOS and Windows", "SCM_RIGHTS": "Windows", "LOCAL_PEERCRED": "Linux and Windows",
    "SO_EXCLUSIVEADDRUSE": "Linux and macOS", "SIO_RCVALL": "Linux and macOS",
    "SIO_KEEPALIVE_VALS": "Linux and macOS", "epoll": "macOS and Windows", "kqueue": "Linux and Windows",
    "poll": "Windows", "kevent": "Linux and Windows", "EPOLLIN": "macOS and Windows",
    "EPOLLOUT": "macOS and Windows", "EPOLLET": "macOS and Windows", "TCP_KEEPALIVE": "Linux",
}  # fmt: skip
_POLLERS = {"epoll", "kqueue", "poll", "kevent", "EPOLLIN", "EPOLLOUT", "EPOLLET"}
_CODE_OF = {
    **{name: "DST807" for name in _MISSING_ON if name not in _POLLERS},
    **dict.fromkeys(_POLLERS, "DST814"),
    "AF_UNIX": "DST801",
    "SO_REUSEPORT": "DST804",
    "TCP_KEEPIDLE": "DST805",
    "TCP_KEEPINTVL": "DST805",
    "TCP_KEEPCNT": "DST805",
}


@on_name(*_MISSING_ON)
def one_system_only(module: Module, node: ast.expr) -> None:
    """DST807, DST814."""
    name = module.real_name(node)
    if not _reads(module, node):
        return
    if name in _POLLERS:
        if module.names.resolve(node) != f"select.{name}" or _named_after_poller(module, node):
            return
    elif not _is_constant(module, node, "socket"):
        return
    if isinstance(node, ast.Name) and module.names.imported(node.id) is not None:
        return  # the import was judged
    if guarded(module, node, {name}):
        return
    code = "DST814" if name in _POLLERS else "DST807"
    hint = (
        "use selectors.DefaultSelector(), which takes the best of each system"
        if code == "DST814"
        else f'guard it with hasattr(socket, "{name}") and say what is done without it'
    )
    edits = (
        guard_with_hasattr(module, node, name) if code == "DST807" and name.startswith(("SO_", "TCP_", "IP_")) else ()
    )
    module.report(code, node, f"{name} does not exist on {_MISSING_ON[name]}", hint, edits=edits)


def _named_after_poller(module: Module, node: ast.AST) -> bool:
    """A function or class called after the call: it is chosen by name elsewhere."""
    return any(
        isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        and re.search(r"poll|kqueue", parent.name, re.I)
        for _, parent in module.ancestors(node)
    )


@on(ast.ClassDef)
def forking_server(module: Module, node: ast.ClassDef) -> None:
    """DST808 at a class."""
    for base in node.bases:
        name = last_name(base)
        if name in (
            "ForkingMixIn",
            "ForkingTCPServer",
            "ForkingUDPServer",
            "ForkingUnixStreamServer",
        ) and not guarded(module, base, {name}):
            module.report(
                "DST808",
                base,
                f"{name} does not exist on Windows",
                "use ThreadingMixIn, or guard it with hasattr(os, 'fork')",
            )


@on_call("fork", "ForkingTCPServer", "ForkingUDPServer")
def fork(module: Module, node: ast.Call) -> None:
    """DST808 at a call, in modules that have to do with the network."""
    dotted = module.names.resolve(node.func)
    if dotted not in ("os.fork", "socketserver.ForkingTCPServer", "socketserver.ForkingUDPServer"):
        return
    if dotted == "os.fork" and not module.names.uses(*_NETWORK):
        return
    if guarded(module, node, {"fork"}, ("OSError", "AttributeError")):
        return
    module.report(
        "DST808",
        node,
        f"{dotted}() does not exist on Windows",
        "use threads or multiprocessing (start method spawn), or guard with hasattr(os, 'fork')",
    )


@on(ast.Import, ast.ImportFrom)
def unix_module(module: Module, node: ast.Import | ast.ImportFrom) -> None:
    """DST812: fcntl and friends at the top of a network module."""
    if isinstance(node, ast.ImportFrom) and node.level:
        return  # a module of the program's own that has this name
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    missing = [name for name in names if name in ("fcntl", "termios", "pwd", "grp", "resource", "tty", "pty", "syslog")]
    if not missing or not module.names.uses(*_NETWORK):
        return
    if module.function(node) is not module.tree or guarded(
        module, node, set(missing), ("ImportError", "ModuleNotFoundError")
    ):
        return
    module.report(
        "DST812",
        node,
        f"{', '.join(missing)} cannot be imported on Windows, so neither can this module",
        "import it inside the function that needs it, behind a test of os.name",
    )


@on_call("bind")
def long_path(module: Module, node: ast.Call) -> None:
    """DST809: a Unix path below a temporary directory."""
    facts = module.facts_at(node)
    if "AF_UNIX" not in facts.identifiers or not node.args or isinstance(node.args[0], ast.Tuple):
        return
    if facts.identifiers & {
        "mkdtemp",
        "TemporaryDirectory",
        "gettempdir",
        "tmp_path",
        "tmpdir",
        "NamedTemporaryFile",
    }:
        module.report(
            "DST809",
            node,
            "a socket path may have 107 bytes on Linux and 103 on macOS, where the temporary directory "
            "alone has about 50",
            "make a short private directory (tempfile.mkdtemp(dir='/tmp')) for the socket",
            strict=True,
        )


@on_name("SO_REUSEADDR")
def reuse_address(module: Module, node: ast.expr) -> None:
    """DST810."""
    if not _reads(module, node) or not _is_constant(module, node, "socket"):
        return
    names = module.facts_at(node).identifiers
    if "bind" not in names or "SO_EXCLUSIVEADDRUSE" in names or guarded(module, node, {"SO_REUSEADDR"}, ()):
        return
    module.report(
        "DST810",
        node,
        "on Windows SO_REUSEADDR lets another process take the port that is in use",
        'set it when os.name == "posix", SO_EXCLUSIVEADDRUSE otherwise; dualstack.open_listener() does',
        strict=True,
    )


@on_call("select")
def select_on_files(module: Module, node: ast.Call) -> None:
    """DST811."""
    dotted = module.names.resolve(node.func)
    if dotted != "select.select" and not (
        dotted is None and isinstance(node.func, ast.Attribute) and last_name(node.func.value) == "select"
    ):
        return
    names = {name for arg in node.args[:3] for name in names_in(arg)}
    if not names & {"stdin", "stdout", "stderr"} and not any(
        re.search(r"pipe|_fd$|^fd$|master_fd", name) for name in names
    ):
        return
    if guarded(module, node, {"select"}, ()):
        return
    module.report(
        "DST811",
        node,
        "select() takes sockets only on Windows",
        "read the pipe in a thread, or wake the loop with socket.socketpair()",
        strict=True,
    )
