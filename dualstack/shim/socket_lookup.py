"""What must not reach the system's getaddrinfo, because it reads something else than what is written.

glibc takes port 65616 for 80 and ``"127.0.0.1\\0.example.org"`` for 127.0.0.1; every system takes ``0177.0.0.1``,
``127.1`` and full-width digits for loopback, where the check of a program saw something harmless. A blank or a sign in
a port is skipped. Here each is a ``gaierror``, as for any name that does not resolve, with the reason in its text.

Left to the system: everything else about names. The standard library's IDNA stays too, so that names and certificates
go on to match.
"""

from __future__ import annotations

from _socket import EAI_NONAME, EAI_SERVICE

from ..core.text import explain_ip, ipv4_packed, looks_like_ipv4, port_number
from ..errors import AddressError, ResolveError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ("check_host", "check_port")

_BLANKS_AND_SIGNS = " \t\n\v\f\r+-0123456789"  # what strtoul(3) reads before it stops


def check_host(host: Any, port: Any = None) -> Any:
    """Return *host* as it may go to the resolver: names outside ASCII encoded, everything else as it is.

    Raises ResolveError (a ``socket.gaierror``) for NUL and for what only looks like a name, UnicodeError for what the
    IDNA codec does not take, as the standard library does.
    """
    if isinstance(host, bytes):
        text = host.decode("latin-1")
    elif isinstance(host, str):
        text = host
    else:
        return host
    if "\0" in text:
        raise ResolveError(EAI_NONAME, f"NUL in the host name {text!r}", text, port)
    if not text.isascii() and isinstance(host, str):
        host = text.encode("idna").decode("ascii")
        if _is_number(host):
            raise ResolveError(EAI_NONAME, f"{text!r} is an address in disguise ({host})", text, port)
    elif text[-1:].isalnum() and _is_number(text) and ipv4_packed(text) is None:
        try:
            explain_ip(text, text, 0)
        except AddressError as error:
            raise ResolveError(EAI_NONAME, str(error), text, port) from None
    return host


def _is_number(text: str) -> bool:
    """Whether inet_aton(3) may take *text* for an IPv4 address: one to four decimal, octal or hexadecimal numbers."""
    if not looks_like_ipv4(text) or text.count(".") > 3:
        return False
    return all(looks_like_ipv4(label) and label for label in text.split("."))


def check_port(port: Any, host: Any = None) -> Any:
    """Return *port*: a number from 0 to 65535 as an int, everything else (a service name, None) as it is.

    Raises ResolveError (a ``socket.gaierror``) for a number outside, or one with blanks or a sign.
    """
    if isinstance(port, int) and not isinstance(port, bool):
        if 0 <= port <= 65535:
            return int(port)
        raise ResolveError(EAI_SERVICE, f"port {port} is outside 0 to 65535", host, port)
    if isinstance(port, bytes):
        text = port.decode("latin-1")
    elif isinstance(port, str):
        text = port
    else:
        return port
    number = port_number(text)
    if number >= 0:
        return number
    if "\0" in text or (text and not text.strip(_BLANKS_AND_SIGNS)):
        raise ResolveError(EAI_SERVICE, f"{text[:80]!r} is no port number from 0 to 65535", host, text)
    return port
