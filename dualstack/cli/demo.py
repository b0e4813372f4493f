"""``dualstack demo``: one listener and every kind of client, on this host, checked.

Everything printed was done: the clients connect and compare what comes back, each address in the list is bound for
a moment, each capability was tried. The exit status is 0 only if all of it held.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import tempfile
import time

from .. import __version__, doors
from ..core.endpoint import Endpoint, IPv4Endpoint, IPv6Endpoint
from ..core.endpoint_unix import UnixEndpoint
from ..net.capabilities import capabilities
from ..net.connect import connect
from ..net.interfaces import interfaces
from ..net.listen import open_listener
from ..net.routes import gateways, source_for
from . import capabilities as capabilities_command
from .style import Style, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from ..core.interface_address import InterfaceAddress
    from ..net.listener import Listener

__all__ = ("add_parser", "run")

_TIMEOUT_SECONDS = 5.0
_SIZE = 4096  # bytes echoed: small enough for every socket buffer, so one thread can be both ends


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``demo``."""
    parser = subparsers.add_parser(
        "demo",
        help="show it working: one listener, clients over IPv4, IPv6 and a Unix socket",
        description="Open one listener, connect to it over IPv4, IPv6 and a Unix socket, echo data, list the"
        " interfaces of this machine and say what this host can do. Exits 0 only if everything it says was checked.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Do it all, then print it."""
    report = _report()
    print(json.dumps(report, indent=2) if args.json else _render(report, Style()))
    return 0 if report["ok"] else 1


# ---------------------------------------------------------------------- doing


def _report() -> dict[str, Any]:
    found = capabilities()
    clients, listening = _clients()
    nics = _interfaces()
    routes = _routes()
    checked = [client["ok"] for client in clients if client["ok"] is not None]
    checked += [a["ok"] for nic in nics for a in nic["addresses"] if a["ok"] is not None]
    checked += [route["ok"] for route in routes if route["ok"] is not None]
    return {
        "version": __version__,
        "system": platform.system() or "unknown",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "listening": listening,
        "clients": clients,
        "interfaces": nics,
        "routes": routes,
        "capabilities": capabilities_command.as_json(found),
        "checks": len(checked) + len(found),
        "ok": bool(checked) and all(checked),
    }


def _clients() -> tuple[list[dict[str, Any]], list[str]]:
    """Echo through one listener from every kind of client this host has; also say where it listened."""
    found = capabilities()
    with tempfile.TemporaryDirectory(prefix="dualstack-") as folder:
        path = os.path.join(folder, "demo.sock")
        hosts = ["::", f"unix:{path}"] if found.unix_stream else ["::"]
        with open_listener(hosts, 0) as listener:
            port = listener.port or 0
            kinds = [
                ("IPv4", IPv4Endpoint("127.0.0.1", port), found.ipv4_loopback),
                ("IPv6", IPv6Endpoint("::1", port), found.ipv6_loopback),
                ("Unix", UnixEndpoint(path), found.unix_stream),
            ]
            rows = [
                _echo(listener, kind, to) if able else {"kind": kind, "ok": None, "why": able.how}
                for kind, to, able in kinds
            ]
            return rows, [str(endpoint) for endpoint in listener.endpoints]


def _echo(listener: Listener, kind: str, to: Endpoint) -> dict[str, Any]:
    """Connect, accept, send, echo and compare."""
    data = os.urandom(_SIZE)
    row: dict[str, Any] = {"kind": kind, "to": str(to), "ok": False}
    started = time.perf_counter()
    try:
        with connect(to, timeout=_TIMEOUT_SECONDS, history=None) as client:
            client.settimeout(_TIMEOUT_SECONDS)
            conn, peer = listener.accept(timeout=_TIMEOUT_SECONDS)
            with conn:
                conn.settimeout(_TIMEOUT_SECONDS)
                client.sendall(data)
                conn.sendall(_receive(conn, len(data)))
                back = _receive(client, len(data))
        row["peer"] = str(peer) if str(peer) != "unix:" else "unix: (no name)"
        row["bytes"] = len(back)
        row["milliseconds"] = round(1000 * (time.perf_counter() - started), 2)
        row["ok"] = back == data and peer.family == to.family
        if not row["ok"]:
            row["why"] = "the data came back changed" if back != data else f"the listener saw {peer}"
    except OSError as error:
        row["why"] = str(error)
    return row


def _receive(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise ConnectionResetError(f"the other end closed after {len(data)} of {size} bytes")
        data += more
    return data


def _interfaces() -> list[dict[str, Any]]:
    return [
        {
            "name": nic.name,
            "index": nic.index,
            "up": nic.is_up,
            "mac": nic.mac,
            "mtu": nic.mtu,
            "addresses": [_address(address) for address in nic.addresses],
        }
        for nic in interfaces()
    ]


def _address(address: InterfaceAddress) -> dict[str, Any]:
    """One address, and whether a socket can really be bound to it."""
    row: dict[str, Any] = {"address": f"{address.host}/{address.prefix_length}", "ok": None}
    if not address.is_bindable:
        row["why"] = "duplicate" if address.is_duplicated else "tentative"
        return row
    try:
        with doors.current.socket(address.family, socket.SOCK_DGRAM) as sock:
            sock.bind(address.endpoint(0).sockaddr)
        row["ok"] = True
    except OSError as error:
        still_there = any(address.packed == now.packed for nic in interfaces() for now in nic.addresses)
        row["ok"] = False if still_there else None
        row["why"] = str(error) if still_there else "went away meanwhile"
    return row


def _routes() -> list[dict[str, Any]]:
    """The way to this host itself, which is checked, and the default routes, which nobody but a router could check."""
    rows: list[dict[str, Any]] = []
    able = capabilities()
    try:
        for host, there in (("127.0.0.1", able.ipv4_loopback), ("::1", able.ipv6_loopback)):
            if there:
                source = source_for(host)
                rows.append({"route": str(source), "ok": source.host == host, "note": "loopback"})
        for route in gateways():
            family = "IPv4" if route.family == IPv4Endpoint.family else "IPv6"
            rows.append({"route": str(route), "ok": None, "note": f"default, {family}"})
    except OSError as error:  # UnsupportedError, above all: systems whose routes we cannot read
        rows.append({"route": "not told", "ok": None, "note": str(error)})
    return rows


# ---------------------------------------------------------------------- printing


def _render(report: dict[str, Any], style: Style) -> str:
    parts = [
        f"{style('dualstack ' + report['version'], 'bold')} on {report['system']}, {report['python']}",
        "",
        style.heading("One listener, every kind of client"),
        f"  listening on {style(' and '.join(report['listening']), 'cyan')}",
        table(_client_row(client, style) for client in report["clients"]),
        "",
        style.heading("The interfaces of this machine"),
        table(row for nic in report["interfaces"] for row in _interface_rows(nic, style)),
        "",
        style.heading("Where packets leave"),
        table(_route_row(route, style) for route in report["routes"]),
        "",
        style.heading("What this host can do, and how that was found out"),
        capabilities_command.render(capabilities(), style),
        "",
    ]
    if report["ok"]:
        parts.append(style(f"All {report['checks']} checks passed.", "green", "bold"))
    else:
        parts.append(style("Not everything above held; see the lines marked ", "red", "bold") + style.mark(False))
    return "\n".join(parts)


def _client_row(client: dict[str, Any], style: Style) -> list[tuple[str, str]]:
    ok = client["ok"]
    mark = style.none if ok is None else style.good if ok else style.bad
    cells = [(mark, style.mark(ok)), (client["kind"], client["kind"])]
    if ok is None:
        text = f"not on this host: {client['why']}"
        return [*cells, (text, style(text, "dim"))]
    if not ok:
        text = f"{client['to']}: {client['why']}"
        return [*cells, (text, style(text, "red"))]
    seen = f"seen as {client['peer']}"
    echoed = f"{client['bytes']} bytes there and back in {client['milliseconds']:.1f} ms"
    return [*cells, (seen, style(seen, "cyan")), (echoed, echoed)]


def _route_row(route: dict[str, Any], style: Style) -> list[tuple[str, str]]:
    ok, text, note = route["ok"], route["route"], route["note"]
    mark = style.none if ok is None else style.good if ok else style.bad
    colour = "red" if ok is False else "cyan"
    return [(mark, style.mark(ok)), (text, style(text, colour)), (note, style(note, "dim"))]


def _interface_rows(nic: dict[str, Any], style: Style) -> list[list[tuple[str, str]]]:
    facts = ", ".join(
        [
            "up" if nic["up"] else "down",
            *([f"mtu {nic['mtu']}"] if nic["mtu"] else []),
            *([nic["mac"]] if nic["mac"] and nic["mac"].strip("0:") else []),  # lo has all zeros
        ]
    )
    rows = []
    name = nic["name"]
    for address in nic["addresses"] or [{"address": "no address", "ok": None}]:
        ok, text = address["ok"], address["address"]
        note = facts if name else ""
        if "why" in address:
            note = ", ".join(filter(None, (note, address["why"])))
        mark = style.none if ok is None else style.good if ok else style.bad
        colour = "red" if ok is False else "cyan" if ok else "dim"
        rows.append([(mark, style.mark(ok)), (name, name), (text, style(text, colour)), (note, style(note, "dim"))])
        name = ""  # said once
    return rows
