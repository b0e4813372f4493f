"""Unix sockets through dualstack against bare sockets: connect, accept and close; and bind and close.

The bare side of bind does what it takes to survive a restart at all (unlink and bind) and none of what makes it safe.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile

from compare import compare, machine

import dualstack


def main() -> None:
    machine()
    folder = tempfile.mkdtemp(prefix="ds", dir="/tmp")
    ours_path, bare_path, bind_path = f"{folder}/o", f"{folder}/b", f"{folder}/x"
    endpoint = dualstack.UnixEndpoint(ours_path)
    with dualstack.open_listener(f"unix:{ours_path}") as listener, socket.socket(socket.AF_UNIX) as bare:
        bare.bind(bare_path)
        bare.listen(1024)

        def ours() -> None:
            client = dualstack.connect(endpoint)
            connection, _ = listener.accept()
            connection.close()
            client.close()

        def theirs() -> None:
            client = socket.socket(socket.AF_UNIX)
            client.connect(bare_path)
            connection, _ = bare.accept()
            connection.close()
            client.close()

        def ours_text() -> None:
            client = dualstack.connect(f"unix:{ours_path}")
            connection, _ = listener.accept()
            connection.close()
            client.close()

        medians = compare(
            [("dualstack", ours), ("dualstack, address as text", ours_text), ("socket", theirs)],
            number=200,
            turns=101,
            title="connect, accept, close",
        )
        for name in ("dualstack", "dualstack, address as text"):
            print(f"  rate against socket: {medians['socket'] / medians[name]:.2f} {name}")

    def ours_bind() -> None:
        with dualstack.open_listener(f"unix:{bind_path}"):
            pass

    def bare_bind() -> None:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(bind_path)
            os.chmod(bind_path, 0o600)
            sock.listen(1024)
            os.unlink(bind_path)

    compare([("dualstack", ours_bind), ("socket", bare_bind)], number=50, title="bind, listen, close")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
