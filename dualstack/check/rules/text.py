"""DST301 to DST307: addresses as text and as bytes."""

from __future__ import annotations

import ast
import re

from dualstack.check.facts import says_v4, says_v6
from dualstack.check.module import Module
from dualstack.check.registry import on, on_call
from dualstack.check.syntax import constant_text, last_name, names_in, text_parts, words
from dualstack.check.twins import mentions_v6, v6_in_reach

from .families import is_af_inet

__all__ = ("looks_like_v4_regex",)

_IP_WORDS = {
    "ip", "ips", "ipv4", "addr", "addrs", "address", "host", "hostname", "ipaddr", "ipaddress", "inet",
    "server", "netmask", "mask", "subnet", "gateway", "peer", "octet", "octets", "quad", "dotted", "cidr",
}  # fmt: skip
_VERSION_WORDS = {"version", "ver", "versions", "release", "semver", "pkg", "oid", "python", "date"}


def _socket_function(module: Module, node: ast.Call, name: str) -> bool:
    dotted = module.names.resolve(node.func)
    if dotted is not None:
        return dotted.rpartition(".")[0].rpartition(".")[2] in ("socket", "*", "") or dotted == f"*.{name}"
    if isinstance(node.func, ast.Name):
        return node.func.id not in module.definitions
    return not (isinstance(node.func, ast.Attribute) and last_name(node.func.value) in ("self", "cls"))


@on_call("inet_aton")
def inet_aton(module: Module, node: ast.Call) -> None:
    """DST301."""
    value = node.args[0] if node.args else None
    if not _socket_function(module, node, "inet_aton") or module.text_of(value, node) is not None:
        return
    if v6_in_reach(module, node) or _about_masks(module, node):
        return
    module.report(
        "DST301",
        node,
        "inet_aton() refuses every IPv6 address (and takes '1' and '0x7f.1' for IPv4 ones)",
        "use ipaddress.ip_address(text).packed, inet_pton() with the family of the address, or dualstack.parse(text)",
    )


@on(ast.Call)
def passed_as_function(module: Module, node: ast.Call) -> None:
    """DST301, DST302 in the form ``map(socket.inet_aton, addresses)``."""
    if last_name(node.func) not in ("map", "filter", "Use", "partial") or not node.args:
        return
    name = last_name(node.args[0]) if isinstance(node.args[0], (ast.Name, ast.Attribute)) else ""
    if name in ("inet_aton", "inet_ntoa") and not v6_in_reach(module, node):
        code = "DST301" if name == "inet_aton" else "DST302"
        module.report(
            code,
            node.args[0],
            f"{name}() knows IPv4 only",
            "use inet_pton()/inet_ntop() with the family of the address",
        )


@on_call("inet_ntoa")
def inet_ntoa(module: Module, node: ast.Call) -> None:
    """DST302."""
    if not _socket_function(module, node, "inet_ntoa") or v6_in_reach(module, node):
        return
    if _about_masks(module, node):
        return
    strict = _fixed_field(module, node.args[0] if node.args else None)
    module.report(
        "DST302",
        node,
        "inet_ntoa() raises OSError for the 16 bytes of an IPv6 address",
        "use str(ipaddress.ip_address(packed)) or inet_ntop() with the family of the address",
        strict=strict,
    )


def _about_masks(module: Module, node: ast.AST) -> bool:
    """Netmasks as addresses exist in IPv4 only; IPv6 has prefix lengths."""
    return bool(re.search(r"mask|broadcast|cidr", getattr(module.function(node), "name", ""), re.I))


def _fixed_field(module: Module, value: ast.expr | None) -> bool:
    """Four bytes cut out of a packet whose layout has four bytes there."""
    if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Slice):
        return True
    if (
        isinstance(value, ast.Subscript)
        and isinstance(value.slice, ast.Constant)
        and isinstance(value.slice.value, int)
    ):
        value = value.value
    if isinstance(value, ast.Name):
        for store in module.facts_at(value).stores.get(value.id, ()) if value in module.parents else ():
            if isinstance(store.value, ast.Call) and last_name(store.value.func).startswith("unpack"):
                return True
    return False


@on_call("inet_pton", "inet_ntop")
def one_family_text(module: Module, node: ast.Call) -> None:
    """DST303."""
    if not is_af_inet(module, node.args[0] if node.args else None):
        return
    if len(node.args) > 1 and module.text_of(node.args[1], node) is not None:
        return
    if v6_in_reach(module, node):
        return
    module.report(
        "DST303",
        node,
        f"{module.real_name(node.func)}(AF_INET, ...) without an IPv6 branch",
        "use ipaddress.ip_address(), or branch on the family",
        strict=True,
    )


@on_call("IPv4Address", "IPv4Network", "IPv4Interface")
def ipv4_only_class(module: Module, node: ast.Call) -> None:
    """DST304."""
    dotted = module.names.resolve(node.func)
    if dotted is None or not dotted.startswith("ipaddress."):
        return
    value = node.args[0] if node.args else None
    if value is None or module.text_of(value, node) is not None or isinstance(value, ast.Constant):
        return
    if any(name.startswith("IPv6") for name in names_in(module.function(node))):
        return
    if v6_in_reach(module, node) or _class_knows_v6(module, node) or _v4_source(module, node, value):
        return
    wider = {"IPv4Address": "ip_address", "IPv4Network": "ip_network", "IPv4Interface": "ip_interface"}[
        module.real_name(node.func)
    ]
    module.report(
        "DST304",
        node,
        f"{module.real_name(node.func)}() raises AddressValueError for IPv6 input",
        f"use ipaddress.{wider}(), which takes both",
    )


def _v4_source(module: Module, node: ast.AST, value: ast.expr) -> bool:
    """What is passed says IPv4 itself: data["ipv4_address"], f"0.0.0.0/{mask}"."""
    texts = list(text_parts(value))
    names = list(names_in(value))
    for _, parent in module.ancestors(node):
        if isinstance(parent, (ast.For, ast.comprehension)):
            texts.extend(text_parts(parent.iter))
            names.extend(names_in(parent.iter))
        if isinstance(parent, ast.stmt) and not isinstance(parent, ast.For):
            continue
    return any(says_v4(name) for name in [*names, *texts]) or any(
        re.match(r"(?:\d{1,3}\.){3}\d{1,3}/", text) for text in texts
    )


def _class_knows_v6(module: Module, node: ast.AST) -> bool:
    owner = module.enclosing_class(node)
    return owner is not None and mentions_v6(owner)


_DIGIT = r"(?:\\d|\[0-9\]|\[\\d\]|\d\[0-5\]|\[01\]|\(\?:25)"
_REPEATED = re.compile(
    rf"\(.{{0,120}}{_DIGIT}.{{0,60}}\)?\\\.\)?\)?\{{3\}}|\(.{{0,6}}\\\..{{0,80}}{_DIGIT}.{{0,60}}\)\{{3\}}|\[0-9\.\]\+|\[\\d\.\]\+|\[\.\d-9\]"
)


def looks_like_v4_regex(text: str) -> bool:
    """A pattern for four dotted numbers."""
    if len(text) > 600 or ("\\." not in text and "[.]" not in text):
        return False
    if ":" in text and re.search(r"a-f|A-F|\[:\]|::", text):
        return False  # it looks for IPv6 too
    plain = text.replace("[.]", "\\.")
    if _REPEATED.search(plain) and "{3}" in plain:
        return True
    pieces = plain.split("\\.")
    if len(pieces) < 4:
        return False
    run = 0
    for piece in pieces:
        run = run + 1 if re.search(r"\\d|0-9|\d\[", piece) and len(piece) < 60 else 0
        if run >= 4:
            return True
    return False


@on(ast.Constant)
def ipv4_regex(module: Module, node: ast.Constant) -> None:
    """DST305."""
    text = constant_text(node)
    if text is None or ("\\" not in text and "[.]" not in text) or not looks_like_v4_regex(text):
        return
    context = _words_around(module, node)
    octets = "25[0-5]" in text or "2[0-4]" in text or re.search(r"\{1,3\}\)?(?:\\\.|\[\.\])", text) is not None
    if context & _VERSION_WORDS and not octets:
        return
    if not octets and not context & _IP_WORDS and not re.search(r"ip|host|addr", text, re.I):
        return
    if isinstance(module.parents.get(node), ast.Expr) or v6_in_reach(module, node) or _named_v4(module, node):
        return
    if says_v6(getattr(module.function(node), "name", "")):
        return
    module.report(
        "DST305",
        node,
        "this pattern matches IPv4 addresses only",
        "parse instead of matching: ipaddress.ip_address() or dualstack.parse()",
    )


def _named_v4(module: Module, node: ast.AST) -> bool:
    """IPV4_RE = ... beside IPV6_RE, or the dictionary key ipv4."""
    for _, parent in module.ancestors(node):
        if isinstance(parent, ast.Assign):
            name = last_name(parent.targets[0]).lower()
            return bool(re.search(r"v4|ip4|inet4", name))
        if isinstance(parent, ast.stmt):
            return False
    return False


def _words_around(module: Module, node: ast.AST) -> set[str]:
    """Words of the names in the statement and of the function around."""
    statement = module.statement(node)
    found: set[str] = set()
    for _, parent in module.ancestors(node):
        if isinstance(parent, ast.Call):
            for arg in [*parent.args, *(kw.value for kw in parent.keywords)]:
                found |= words(last_name(arg))
        if isinstance(parent, ast.stmt):
            break
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            found |= words(last_name(target))
    function = module.function(node)
    found |= words(getattr(function, "name", ""))
    return found


@on(ast.Compare)
def dotted_quad(module: Module, node: ast.Compare) -> None:
    """DST306: count(".") == 3, len(text.split(".")) == 4."""
    if len(node.ops) != 1 or not isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
        return
    left, right = node.left, node.comparators[0]
    if isinstance(left, ast.Constant):
        left, right = right, left
    number = right.value if isinstance(right, ast.Constant) else None
    if not isinstance(left, ast.Call):
        return
    subject: ast.expr | None = None
    if number == 3 and last_name(left.func) == "count" and isinstance(left.func, ast.Attribute):
        if constant_text(left.args[0] if left.args else None) == ".":
            subject = left.func.value
    elif number == 4 and last_name(left.func) == "len" and left.args:
        subject = _split_by_dot(module, left.args[0])
    if subject is None:
        return
    found = words(last_name(subject)) | _words_around(module, node)
    function = module.function(node)
    octets = (
        any(isinstance(inner, ast.Constant) and inner.value in (255, 256) for inner in ast.walk(function))
        if function is not module.tree
        else False
    )
    if found & _VERSION_WORDS or not (found & _IP_WORDS or octets):
        return
    facts = module.facts_at(node)
    if v6_in_reach(module, node) or facts.weak_v6 or facts.brackets or _about_masks(module, node):
        return
    module.report(
        "DST306",
        node,
        "counting dots takes an IPv6 address for a name, or refuses it",
        "use ipaddress.ip_address() in a try, or dualstack.parse()",
    )


def _split_by_dot(module: Module, node: ast.expr, depth: int = 0) -> ast.expr | None:
    """The text whose split(".") this is, directly or by way of a variable."""
    if depth > 4:
        return None  # parts = list(map(int, parts))
    if isinstance(node, ast.Call) and last_name(node.func) in ("list", "tuple", "map") and node.args:
        return _split_by_dot(module, node.args[-1], depth + 1)  # list(map(int, text.split(".")))
    if isinstance(node, ast.ListComp):
        return _split_by_dot(module, node.generators[0].iter, depth + 1)
    if isinstance(node, ast.Call) and last_name(node.func) == "split" and isinstance(node.func, ast.Attribute):
        if node.args and constant_text(node.args[0]) in (".", "\\."):
            return node.func.value
        return None
    if isinstance(node, ast.Name):
        for store in module.facts_at(node).stores.get(node.id, ()):
            if store.kind == "assign" and not store.path and store.value is not None:
                found = _split_by_dot(module, store.value, depth + 1)
                if found is not None:
                    return found
    return None


@on(ast.Assign)
def four_octets(module: Module, node: ast.Assign) -> None:
    """DST306: a, b, c, d = ip.split("."), and the numbers of an address by way of int()."""
    target = node.targets[0]
    four = isinstance(target, (ast.Tuple, ast.List)) and len(target.elts) == 4
    numbers = any(isinstance(inner, ast.Name) and inner.id == "int" for inner in ast.walk(node.value))
    if not four and not (numbers and isinstance(target, ast.Name)):
        return
    subject = _split_by_dot(module, node.value)
    if subject is None or not words(last_name(subject)) & _IP_WORDS or words(last_name(subject)) & _VERSION_WORDS:
        return
    name = last_name(target)
    if not four and any(
        call.args and last_name(call.args[0]) == name for call in module.facts_at(node).calls.get("len", ())
    ):
        return  # the test of its length speaks
    if words(last_name(subject)) & {"quad", "dotted", "octets"}:
        return  # says itself that it is the IPv4 form
    facts = module.facts_at(node)
    if v6_in_reach(module, node) or facts.weak_v6 or facts.brackets:
        return
    module.report(
        "DST306",
        node,
        f"{last_name(subject)} is cut into the numbers of an IPv4 address",
        "use ipaddress.ip_address() and its .packed bytes",
    )


@on_call("all", "any")
def octets_tested(module: Module, node: ast.Call) -> None:
    """DST306: all(int(part) < 256 for part in text.split("."))."""
    given = node.args[0] if node.args else None
    if not isinstance(given, (ast.GeneratorExp, ast.ListComp)):
        return
    asked = {last_name(call.func) for call in ast.walk(given.elt) if isinstance(call, ast.Call)}
    if asked & {"int", "isdigit", "isdecimal", "isnumeric"}:
        _text_of_numbers(module, node, _split_by_dot(module, given.generators[0].iter))


@on_call("isdigit", "isdecimal", "isnumeric")
def digits_without_dots(module: Module, node: ast.Call) -> None:
    """DST306: host.replace(".", "").isdigit()."""
    inner = node.func.value if isinstance(node.func, ast.Attribute) else None
    if not (isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr == "replace"):
        return
    if [constant_text(arg) for arg in inner.args[:2]] == [".", ""]:
        _text_of_numbers(module, node, inner.func.value)


def _text_of_numbers(module: Module, node: ast.AST, subject: ast.expr | None) -> None:
    name = words(last_name(subject))
    if not name & _IP_WORDS or name & _VERSION_WORDS:
        return
    facts = module.facts_at(node)
    if v6_in_reach(module, node) or facts.weak_v6 or facts.brackets or facts.colons or _about_masks(module, node):
        return
    if facts.calls.get("len") and any(_counts_to_four(module, call) for call in facts.calls["len"]):
        return  # the test of its length speaks
    module.report(
        "DST306",
        node,
        f"{last_name(subject)} is tested for numbers and dots: an IPv6 address is taken for a name, or refused",
        "use ipaddress.ip_address() in a try, or dualstack.parse()",
    )


def _counts_to_four(module: Module, call: ast.Call) -> bool:
    compare = module.parents.get(call)
    return isinstance(compare, ast.Compare) and any(
        isinstance(side, ast.Constant) and side.value == 4 for side in [compare.left, *compare.comparators]
    )


@on_call("pack", "unpack", "unpack_from", "Struct")
def struct_of_v4(module: Module, node: ast.Call) -> None:
    """DST307: four bytes reserved for an address."""
    layout = constant_text(node.args[0] if node.args else None)
    if layout is None:
        return
    name = module.real_name(node.func)
    dotted = module.names.resolve(node.func)
    if dotted is not None and not dotted.startswith("struct."):
        return
    bare = layout.strip("@=<>!")
    mreq = bare in ("4s4s", "4sl", "4sL")
    single = bare in ("I", "L", "4s") and name != "Struct" and layout[:1] in "!>4"
    if not mreq and not single:
        return
    values = node.args[1:]
    inner = {found for value in values for found in names_in(value)}
    if single:
        # where inet_aton() or inet_pton() made the bytes, their own rules have spoken
        if {"inet_aton", "inet_pton"} & (inner | module.facts_at(node).identifiers):
            return
        given = {last_name(value) for value in values}
        about = any(words(found) & {"ip", "ipaddr", "ipv4", "inet", "ipaddress"} for found in given)
        if name != "pack":
            about = about or bool(_target_words(module, node) & {"ip", "ipaddr", "ipv4", "ipaddress"})
        if not about or "inet_ntoa" in _outer_calls(module, node):
            return
    if v6_in_reach(module, node):
        return
    module.report(
        "DST307",
        node,
        "this layout has four bytes for an address; IPv6 needs sixteen"
        if not mreq
        else "this is the IPv4 membership structure (ip_mreq); IPv6 groups take 16 bytes and an interface index",
        "use the packed bytes of ipaddress.ip_address() with their length"
        if not mreq
        else "use socket.IPV6_JOIN_GROUP with group + struct.pack('@I', index), or "
        "dualstack.open_datagram().join(group)",
    )


def _target_words(module: Module, node: ast.AST) -> set[str]:
    statement = module.statement(node)
    if isinstance(statement, ast.Assign):
        return {word for target in statement.targets for word in words(last_name(target))}
    return set()


def _outer_calls(module: Module, node: ast.AST) -> set[str]:
    found = set()
    for _, parent in module.ancestors(node):
        if isinstance(parent, ast.Call):
            found.add(last_name(parent.func))
        if isinstance(parent, ast.stmt):
            break
    return found
