"""Following an interface: a listener whose sockets come and go with the addresses.

``open_listener("%eth0", 80, follow=True)`` listens on the addresses that eth0 has now, and a thread keeps it so: a new
address gets a socket on the same port when it is usable (an IPv6 address is not, until duplicate address detection has
ended), an address that went loses its socket. Other addresses of the same listener are left alone.

An address that cannot be bound is tried again at the next change; the reason is logged once per address. There may be
none at all for a while: then ``accept`` waits. When the process runs out of descriptors or memory nothing is given up:
it is tried again every RETRY_SECONDS.
"""

from __future__ import annotations

import threading

from ..core.accept import OUT_OF_RESOURCES
from ..core.endpoint import IPEndpoint
from ..core.plan import Bind, Failed
from ..errors import ListenError
from .log import log
from .watch import watch_interfaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.address import Address
    from .listen import Opener
    from .listener import Listener
    from .opened import Opened

__all__ = ("Follower", "follow")

RETRY_SECONDS = 0.5  # until what failed for want of descriptors or memory is tried again


def follow(listener: Listener, opener: Opener, addresses: Sequence[Address]) -> None:
    """Keep *listener* on the addresses of the interfaces named in *addresses*, until it is closed."""
    Follower(listener, opener, [one for one in addresses if one.kind == "interface"]).start()


class Follower:
    """The thread behind one following listener."""

    def __init__(self, listener: Listener, opener: Opener, addresses: Sequence[Address]) -> None:
        self._listener = listener
        self._opener = opener
        self._addresses = addresses
        self._told: set[IPEndpoint] = set()
        self._chosen = 0
        self._stopping = threading.Event()
        # Its first look comes after subscribing, so that nothing falls between opening the listener and following.
        self._watcher = watch_interfaces()
        self._thread = threading.Thread(target=self._run, name="dualstack-follow", daemon=True)

    def start(self) -> None:
        """Look once, then in the thread at every change."""
        try:
            self.update()
            self._listener.on_close(self.stop)
            self._thread.start()
        except BaseException:
            self._watcher.close()
            raise

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping.set()
        self._watcher.close()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        due = failing = False
        while not self._stopping.is_set():
            try:
                if not due:
                    if next(self._watcher, None) is None:
                        return
                    self._watcher.pending()  # however many came with it, they are one thing to do
                    due = True
                if self._listener.closed:
                    return
                self.update()
            except OSError as error:
                if not failing:
                    log().warning("cannot follow the interfaces: %s; trying again", error.strerror or error)
                failing = True
                self._stopping.wait(RETRY_SECONDS)
            else:
                due = failing = False

    def update(self) -> None:
        """Open what is missing, close what has gone."""
        here = self._watcher.interfaces
        wanted: dict[bytes, IPEndpoint] = {}
        for address in self._addresses:
            nic = here.get(address.name or "")
            for one in nic.addresses if nic is not None else ():
                if one.is_bindable and address.family in (None, one.family):
                    endpoint = one.endpoint(self._opener.port_of(address) or self._port())
                    wanted[one.packed + str(one.scope_id).encode()] = endpoint
        have = {
            one.endpoint.packed + str(one.endpoint.scope_id).encode(): one
            for one in self._listener.followed
            if isinstance(one.endpoint, IPEndpoint)
        }
        for key in have.keys() - wanted.keys():
            self._listener.drop(have[key])
        for key in wanted.keys() - have.keys():
            self._open(wanted[key])

    def _port(self) -> int:
        """The port that stands for 0: chosen once, and kept while there is no address at all."""
        self._chosen = self._chosen or self._listener.port or 0
        return self._chosen

    def _open(self, endpoint: IPEndpoint) -> None:
        if endpoint.port == 0:
            endpoint = endpoint.with_port(self._port())
        opened: list[tuple[int, Opened]] = []
        try:
            outcome = self._opener.bind(Bind(endpoint, endpoint.host.count(":") > 0, 0), opened)
            if isinstance(outcome, Failed):
                raise outcome.error
            self._opener.listen(opened[0][1])
        except OSError as error:
            for _, one in opened:
                one.close()
            if error.errno in OUT_OF_RESOURCES:
                message = f"cannot listen on {endpoint}: {error.strerror}"
                raise ListenError(error.errno, message, ((endpoint, error),)) from error
            if endpoint not in self._told:
                self._told.add(endpoint)
                reason = error if isinstance(error, ListenError) else error.strerror
                log().warning("cannot listen on %s: %s; tried again at the next change", endpoint, reason)
            return
        self._told.discard(endpoint)
        self._listener.add(opened[0][1])
