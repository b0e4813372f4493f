"""The ``socket`` module with better behaviour underneath: same names, same arguments, same exceptions.

    from dualstack.shim import socket               # in code one may change
    dualstack.shim.install("socket")                # for code one may not: puts it into sys.modules

Every name of the running Python's module is here, private ones included, nearly all of them that module's own
objects: exceptions, enumerations, constants, ``SocketType``. What is replaced lives in the modules beside this; the
Python functions of the standard library run with the names of this module (socket_rebound.py), so that ``fromfd`` and
``socketpair`` give sockets of this kind, and a program that puts a ``socket`` or a ``getaddrinfo`` of its own here is
heard. docs/shim.md lists each difference.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import *  # noqa: F403 - type checkers see the standard library's names and signatures
else:
    import socket as _stdlib

    from . import socket_class as _class
    from . import socket_connect as _connect
    from . import socket_listening as _listening
    from .socket_class import adopt as _adopt
    from .socket_connect import connected as _connected
    from .socket_constants import missing as _missing
    from .socket_rebound import rebound as _rebound

    _names = _rebound(_stdlib, globals())
    _added = _missing(_names)
    _GLOBAL_DEFAULT_TIMEOUT = _stdlib._GLOBAL_DEFAULT_TIMEOUT
    globals().update(_names)
    globals().update(_added)
    globals().update({"__all__": [*_stdlib.__all__, *_added]})

    socket = _own_socket = _class.socket
    getaddrinfo = _own_getaddrinfo = _connect.getaddrinfo
    has_dualstack_ipv6 = _listening.has_dualstack_ipv6
    if hasattr(_stdlib, "recv_fds"):
        from . import socket_passing as _passing

        recv_fds = _passing.recv_fds
        send_fds = _passing.send_fds

    def create_connection(address, timeout=_GLOBAL_DEFAULT_TIMEOUT, source_address=None, *, all_errors=False):
        """Connect to *address*, ``(host, port)``, by the first of its addresses that answers.

        All addresses of both families race (RFC 8305), so a dead one costs a quarter of a second. *timeout* in seconds
        covers everything, the look-up included, and is set on the socket that is returned. *source_address* is
        ``(host, port)`` to connect from; host ``""`` or port 0 leave that part to the system.

        Raises gaierror for a name without addresses, else the OSError of the class that belongs to its errno, with the
        story of each address in its text and its ``attempts``; with *all_errors* an ExceptionGroup of what each said
        (Python 3.10 has no groups and gets the OSError).
        """
        make = None if socket is _own_socket else socket
        lookup = None if getaddrinfo is _own_getaddrinfo else getaddrinfo
        return _adopt(_connected(address, timeout, source_address, all_errors, make, lookup))

    def create_server(address, *, family=_stdlib.AF_INET, backlog=None, reuse_port=False, dualstack_ipv6=False):
        """Bind a TCP socket to *address*, ``(host, port)``, listen, and return it.

        *family* is AF_INET or AF_INET6; *backlog* the length of the queue; *reuse_port* sets SO_REUSEPORT. With
        *dualstack_ipv6* (and AF_INET6) the wildcard address serves IPv4 clients too, on every system: by two sockets
        behind one object where one cannot, by an AF_INET socket where the host has no IPv6.

        Raises OSError when the address cannot be bound, ValueError for arguments that do not go together.
        """
        if dualstack_ipv6 and family == _stdlib.AF_INET6 and not has_dualstack_ipv6():
            if _listening.is_wildcard(address):
                return _listening.both_families(address[1], backlog, reuse_port)
            dualstack_ipv6 = False  # one address is of one family
        return _names["create_server"](
            address, family=family, backlog=backlog, reuse_port=reuse_port, dualstack_ipv6=dualstack_ipv6
        )
