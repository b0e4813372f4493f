"""TLS: the handshake of a client under the deadline of its whole connect, and what a listener may be given."""

from __future__ import annotations

from ..core.endpoint import Endpoint
from ..core.report import report
from ..core.trace import TLS_DONE, TLS_FAILED, TLS_STARTED, TraceEvent
from ..errors import Attempt

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from socket import socket as Socket

    from ..core.trace import Trace
    from ..doors import Doors

__all__ = ("check_server_context", "handshake_timed_out", "wrap")


def wrap(
    door: Doors,
    sock: Socket,
    context: ssl.SSLContext,
    name: str | None,
    started: float,
    timeout: float | None,
    trace: Trace | None,
) -> ssl.SSLSocket:
    """Shake hands as the client; on any exception the socket is closed."""
    wrapped: Socket = sock
    try:
        endpoint = Endpoint.peer(sock)
        if trace is not None:
            trace(TraceEvent(TLS_STARTED, door.monotonic(), endpoint))
        begun = door.monotonic()
        # wrap_socket moves the descriptor into a new object; closing the old one is harmless afterwards.
        secure = wrapped = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
        try:
            if timeout is not None:
                left = started + timeout - door.monotonic()
                if left <= 0:
                    raise TimeoutError
                secure.settimeout(left)
            secure.do_handshake()
            secure.settimeout(None)
        except OSError as error:
            if trace is not None:
                trace(TraceEvent(TLS_FAILED, door.monotonic(), endpoint, error))
            if isinstance(error, TimeoutError):
                raise handshake_timed_out(endpoint, begun - started, door.monotonic() - started, timeout) from None
            raise
        if trace is not None:
            trace(TraceEvent(TLS_DONE, door.monotonic(), endpoint))
        return secure
    except BaseException:
        wrapped.close()
        sock.close()
        raise


def check_server_context(context: object) -> None:
    """Refuse what could not shake hands with a single client, before anything is opened."""
    from ssl import PROTOCOL_TLS_CLIENT

    if not hasattr(context, "wrap_socket"):
        raise TypeError(f"tls is an ssl.SSLContext, not {type(context).__name__}")
    if getattr(context, "protocol", None) == PROTOCOL_TLS_CLIENT:
        raise ValueError(
            "tls is the context of a client; that of a server is made by"
            " ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), and needs load_cert_chain"
        )


def handshake_timed_out(endpoint: Endpoint, begun: float, ended: float, timeout: float | None) -> OSError:
    """The error for a server that accepted the connection and then did not finish the handshake."""
    attempt = Attempt(endpoint, begun, ended, TimeoutError("connected, but the TLS handshake did not end"))
    return report(str(endpoint), [attempt], timeout=timeout, timed_out=True)
