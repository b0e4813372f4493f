"""The ``socket`` module with better behaviour underneath: same names, same arguments, same exceptions.

    from dualstack.shim import socket

Every name of the running Python's module is here, private ones included, nearly all of them that module's own
objects: exceptions, enumerations, constants, ``SocketType``. What is replaced lives in the modules beside this one.
What is defined here looks names up in this module when it is called, as the standard library's functions do in theirs:
a program that puts a ``socket`` or a ``getaddrinfo`` of its own here is heard.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import *  # noqa: F403 - type checkers see the standard library's names and signatures
else:
    import socket as _stdlib

    from . import socket_class as _class
    from . import socket_connect as _connect

    _GLOBAL_DEFAULT_TIMEOUT = _stdlib._GLOBAL_DEFAULT_TIMEOUT
    globals().update((name, value) for name, value in vars(_stdlib).items() if not name.startswith("__"))
    globals().update({"__all__": list(_stdlib.__all__)})

    socket = _class.socket
    getaddrinfo = _connect.getaddrinfo

    def create_connection(address, timeout=_GLOBAL_DEFAULT_TIMEOUT, source_address=None, *, all_errors=False):
        """Connect to *address*, ``(host, port)``, by the first of its addresses that answers.

        All addresses of both families race (RFC 8305), so a dead one costs a quarter of a second. *timeout* in seconds
        covers everything, the look-up included, and is set on the socket that is returned. *source_address* is
        ``(host, port)`` to connect from; host ``""`` or port 0 leave that part to the system.

        Raises gaierror for a name without addresses, else the OSError of the class that belongs to its errno, with the
        story of each address in its text and its ``attempts``; with *all_errors* an ExceptionGroup of what each said
        (Python 3.10 has no groups and gets the OSError).
        """
        return _class.adopt(
            _connect.create_connection(
                address,
                timeout,
                source_address,
                all_errors=all_errors,
                make=None if socket is _class.socket else socket,
                lookup=None if getaddrinfo is _connect.getaddrinfo else getaddrinfo,
            )
        )
