"""DST701 to DST703: socket options, multicast and interfaces."""

from __future__ import annotations

import ast

from dualstack.check.module import Module
from dualstack.check.registry import on, on_call, on_name
from dualstack.check.syntax import argument, last_name, names_in
from dualstack.check.twins import v4_by_name, v6_in_reach

from .families import is_af_inet

__all__ = ()

_JOIN = {
    "IP_ADD_MEMBERSHIP",
    "IP_DROP_MEMBERSHIP",
    "IP_ADD_SOURCE_MEMBERSHIP",
    "IP_DROP_SOURCE_MEMBERSHIP",
    "IP_BLOCK_SOURCE",
}
# IP_TRANSPARENT and IP_FREEBIND are not here: on Linux, the one system that has them, they work on IPv6 sockets too.
_LEVEL = {
    "IP_TTL": "IPV6_UNICAST_HOPS",
    "IP_TOS": "IPV6_TCLASS",
    "IP_MULTICAST_TTL": "IPV6_MULTICAST_HOPS",
    "IP_MULTICAST_IF": "IPV6_MULTICAST_IF",
    "IP_MULTICAST_LOOP": "IPV6_MULTICAST_LOOP",
    "IP_PKTINFO": "IPV6_RECVPKTINFO",
    "IP_RECVERR": "IPV6_RECVERR",
    "IP_RECVTTL": "IPV6_RECVHOPLIMIT",
    "IP_RECVTOS": "IPV6_RECVTCLASS",
    "IP_MTU_DISCOVER": "IPV6_MTU_DISCOVER",
}


@on_call("setsockopt", "getsockopt")
def ip_option(module: Module, node: ast.Call) -> None:
    """DST701, DST702."""
    option = last_name(argument(node, 1, "optname"))
    if option in _JOIN:
        if not _v6_options(
            module,
            node,
            (
                "IPV6_JOIN_GROUP",
                "IPV6_LEAVE_GROUP",
                "IPV6_ADD_MEMBERSHIP",
                "IPV6_DROP_MEMBERSHIP",
                "MCAST_JOIN_GROUP",
            ),
        ):
            module.report(
                "DST701",
                node,
                "only IPv4 multicast groups are joined"
                if "ADD" in option
                else "only IPv4 multicast groups are handled",
                "join the IPv6 group as well: setsockopt(IPPROTO_IPV6, IPV6_JOIN_GROUP, group + "
                "struct.pack('@I', index)), or dualstack.open_datagram().join(group)",
            )
    elif option in _LEVEL:
        twin = _LEVEL[option]
        if not _v6_options(module, node, (twin,)):
            module.report(
                "DST702",
                node,
                f"{option} does nothing for an IPv6 socket",
                f"set {twin} at IPPROTO_IPV6 when the socket is AF_INET6",
            )


def _v6_options(module: Module, node: ast.Call, twins: tuple[str, ...]) -> bool:
    """The function, or the class around it, knows the IPv6 form."""
    if v6_in_reach(module, node):
        return True
    owner = module.enclosing_class(node)
    scopes = [module.function(node)] + ([owner] if owner is not None else [])
    for scope in scopes:
        if scope is module.tree:
            return "IPPROTO_IPV6" in module.text
        names = set(names_in(scope))
        if names.intersection(twins) or "IPPROTO_IPV6" in names:
            return True
    return any(last_name(argument(other, 0, "level")) == "IPPROTO_IPV6" for other in module.callers("setsockopt")) and (
        "family" in module.facts_at(node).identifiers
    )


@on_name("AF_INET")
def interface_addresses(module: Module, node: ast.expr) -> None:
    """DST703: netifaces[AF_INET], psutil's family == AF_INET."""
    parent = module.parents.get(node)
    use = _interface_use(module, node, parent)
    if use is None or v6_in_reach(module, node):
        return
    module.report(
        "DST703",
        parent if isinstance(parent, (ast.Call, ast.Compare, ast.Subscript)) else node,
        f"{use}: the IPv6 addresses of the interface are not seen",
        "look at AF_INET6 as well, or use dualstack.interfaces(), which has both",
    )


def _interface_use(module: Module, node: ast.expr, parent: ast.AST | None) -> str | None:
    dotted = module.names.resolve(node) or ""
    if dotted.startswith("netifaces.") or (
        isinstance(node, ast.Attribute) and last_name(node.value) in ("netifaces", "ni")
    ):
        if isinstance(parent, (ast.Subscript, ast.Call, ast.Compare, ast.List, ast.Tuple)):
            return "netifaces is asked for AF_INET only"
        return None
    if not is_af_inet(module, node):
        return None
    facts = module.facts_at(node)
    listed = facts.identifiers & {
        "net_if_addrs",
        "ifaddresses",
        "get_adapters",
        "getifaddrs",
        "net_connections",
    }
    if isinstance(parent, ast.Compare):
        sides = [parent.left, *parent.comparators]
        named = [side for side in sides if last_name(side) in ("family", "fam") and side is not node]
        if named and (listed - {"net_connections"}):
            return "interface addresses are filtered by AF_INET"
        if named and _loops_over_interfaces(module, named[0]):
            return "interface addresses are filtered by AF_INET"
        return None
    if isinstance(parent, (ast.Subscript, ast.Call)) and (listed & {"ifaddresses"}):
        if isinstance(parent, ast.Call) and last_name(parent.func) not in ("get", "pop"):
            return None
        return "the interface table is asked for AF_INET only"
    return None


def _loops_over_interfaces(module: Module, side: ast.expr) -> bool:
    """``for a in addrs`` where addrs comes from psutil.net_if_addrs() a step earlier."""
    if not isinstance(side, ast.Attribute) or not isinstance(side.value, ast.Name):
        return False
    for store in module.facts_at(side).stores.get(side.value.id, ()):
        if (
            store.kind == "iter"
            and store.value is not None
            and any(name in ("net_if_addrs", "nic_addrs", "if_addrs") for name in names_in(store.value))
        ):
            return True
    return False


@on(ast.Constant)
def interface_ioctl_number(module: Module, node: ast.Constant) -> None:
    """DST703 in the form of ioctl 0x8915 (SIOCGIFADDR) on Linux."""
    if node.value not in (0x8915, 0x8919, 0x891B) or isinstance(node.value, bool):
        return
    if any(isinstance(parent, ast.Call) and last_name(parent.func) == "ioctl" for _, parent in module.ancestors(node)):
        _ioctl(module, node)


@on(ast.Subscript)
def interface_table_by_number(module: Module, node: ast.Subscript) -> None:
    """DST703: netifaces.ifaddresses(name)[2], where 2 is AF_INET."""
    call = node.value
    if not isinstance(call, ast.Call) or last_name(call.func) != "ifaddresses":
        return
    if isinstance(node.slice, ast.Constant) and node.slice.value == 2 and not v6_in_reach(module, node):
        module.report(
            "DST703",
            node,
            "the interface table is asked for 2, which is AF_INET: its IPv6 addresses are not seen",
            "look at AF_INET6 as well, or use dualstack.interfaces(), which has both",
        )


@on_name("SIOCGIFADDR", "SIOCGIFCONF", "SIOCGIFNETMASK", "SIOCGIFBRDADDR")
def interface_ioctl_name(module: Module, node: ast.expr) -> None:
    """DST703 by the name of the request."""
    if any(isinstance(parent, ast.Call) and last_name(parent.func) == "ioctl" for _, parent in module.ancestors(node)):
        _ioctl(module, node)


def _ioctl(module: Module, node: ast.expr) -> None:
    if v4_by_name(module, node) or v6_in_reach(module, node):
        return
    call = next((parent for _, parent in module.ancestors(node) if isinstance(parent, ast.Call)), node)
    module.report(
        "DST703",
        call,
        "this ioctl knows IPv4 addresses only, on Linux only",
        "use dualstack.interfaces(), or getifaddrs by way of a library",
    )
