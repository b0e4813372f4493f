"""Forwarding for programs that cannot be changed, as a library: what ``python -m dualstack forward`` does.

from dualstack.shim.forward import open_forwarder
with open_forwarder(["[::]:80", "unix:/run/web.sock"], "127.0.0.1:8080", idle=600) as forwarder:
    forwarder.run()                 # in this thread; forwarder.close(drain=10) from any other
"""

from __future__ import annotations

from ..net.forward import Forwarder, open_forwarder

__all__ = ("Forwarder", "open_forwarder")
