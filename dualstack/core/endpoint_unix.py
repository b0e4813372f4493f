"""UnixEndpoint and OpaqueEndpoint: addresses that are not IP.

A Unix address is a path, a name in Linux's abstract namespace, or nothing (a client that never bound). The text forms
are ``unix:/run/x.sock``, ``unix:@name`` and ``unix:``; they are read back exactly. Paths are bytes on POSIX: names
that are not UTF-8 are kept as surrogate escapes (PEP 383), as everywhere in Python.

How long a path may be differs per system and is checked where the socket is bound (``net/unix.py``), not here.
"""

from __future__ import annotations

import sys

from ..errors import AddressError
from .endpoint import AF_UNIX, Endpoint, _unnamed

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import Any

__all__ = ("SOCK_SEQPACKET", "UNNAMED", "OpaqueEndpoint", "UnixEndpoint")

SOCK_SEQPACKET = 5  # on every system that has it
_MAX_ABSTRACT = 108  # bytes of sun_path, the leading NUL included (unix(7))
_MAX_OPAQUE = 1024  # characters; no family's sockaddr prints longer, and literal_eval is not for megabytes


class UnixEndpoint(Endpoint):
    """A Unix-domain address: ``UnixEndpoint("/run/x.sock")``, ``UnixEndpoint(b"\\0abstract")``, ``UnixEndpoint("")``.

    Takes str, bytes or ``os.PathLike``. A leading NUL makes an abstract name, the empty path an unnamed address; a
    NUL anywhere in a path is an AddressError, because the kernel would cut the name there and bind another file.
    """

    __slots__ = ("abstract", "path")

    family = AF_UNIX
    _rank = 2

    path: str | None  # None when abstract or unnamed
    abstract: bytes | None  # the name without its leading NUL, else None

    def __init__(self, path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> None:
        if not isinstance(path, str) and hasattr(path, "__fspath__"):
            path = path.__fspath__()  # pyright: ignore[reportAttributeAccessIssue] - bytes have none
        if isinstance(path, bytes):
            if path.startswith(b"\0"):
                self._set(None, path[1:])
                return
            try:
                path = path.decode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())
            except UnicodeDecodeError as error:  # Windows: file names are UTF-16 there, and bytes mean UTF-8
                raise AddressError(repr(path), error.start + 2, "not UTF-8, as paths are on this system") from None
        if not isinstance(path, str):
            raise TypeError(f"a Unix address is str, bytes or os.PathLike, not {type(path).__name__}")
        if path.startswith("\0"):
            self._set(None, path[1:].encode("utf-8", "surrogateescape"))
            return
        at = path.find("\0")
        if at >= 0:
            raise AddressError(path, at, "NUL in a socket path")
        if path.startswith("//"):
            path = "/" + path.lstrip("/")  # the same file, and "unix://..." stays free for the URL form
        elif path.startswith("@"):
            path = "./" + path  # the same file, and "unix:@..." stays free for abstract names
        if not path.isascii():
            try:
                path.encode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())
            except UnicodeEncodeError as error:
                raise AddressError(path, error.start, "not a character of a path: it cannot be encoded") from None
        _set_path(self, path or None)
        _set_abstract(self, None)

    def _set(self, path: str | None, abstract: bytes | None) -> None:
        if abstract is not None and len(abstract) >= _MAX_ABSTRACT:
            raise AddressError(
                _abstract_text(abstract),
                0,
                f"an abstract name has at most {_MAX_ABSTRACT - 1} bytes, here {len(abstract)}",
            )
        _set_path(self, path)
        _set_abstract(self, abstract)

    @classmethod
    def read(cls, text: str) -> UnixEndpoint:
        """Read the ``unix:`` text form; AddressError points into *text*."""
        rest = text[5:]
        if rest.isascii() and "\0" not in rest and rest[:1] == "/" != rest[1:2]:
            plain: UnixEndpoint = object.__new__(cls)  # nothing of what __init__ looks at can be there
            _set_path(plain, rest)
            _set_abstract(plain, None)
            return plain
        at = rest.find("\0")
        if at >= 0:
            raise AddressError(text, 5 + at, "NUL in a socket path")
        if rest.startswith("@"):
            if len(rest) > 3 * _MAX_ABSTRACT:  # longer than any escaped name; the rest of the work is never done
                raise AddressError(text, 6, f"an abstract name has at most {_MAX_ABSTRACT - 1} bytes")
            name = rest[1:].replace("%00", "\0").replace("%25", "%")
            try:
                return cls(b"\0" + name.encode("utf-8", "surrogateescape"))
            except UnicodeEncodeError as error:
                raise AddressError(text, 6 + error.start, "not a character of a name") from None
            except AddressError as error:
                raise AddressError(text, 6, error.reason) from None
        if rest.startswith("//") and not rest.startswith("///"):
            raise AddressError(text, 7, "a Unix address has no host: write unix:/path or unix:///path")
        try:
            return cls(rest)
        except AddressError as error:
            raise AddressError(text, 5 + error.position, error.reason) from None

    @property
    def sockaddr(self) -> str | bytes:
        """The path as str, an abstract name as bytes with its NUL, ``""`` when unnamed."""
        if self.abstract is not None:
            return b"\0" + self.abstract
        return self.path or ""

    @property
    def is_abstract(self) -> bool:
        """In the abstract namespace: no file, no permissions, gone with its last socket (Linux only)."""
        return self.abstract is not None

    @property
    def is_unnamed(self) -> bool:
        """Bound to nothing, as most clients are."""
        return self.path is None and self.abstract is None

    def _key(self) -> tuple[int, bytes, int, str]:
        if self.abstract is not None:
            return 2, b"\0" + self.abstract, 0, ""
        return 2, (self.path or "").encode("utf-8", "surrogatepass"), 0, ""

    def __str__(self) -> str:
        return "unix:" + (_abstract_text(self.abstract) if self.abstract is not None else self.path or "")

    def __repr__(self) -> str:
        return f"UnixEndpoint({self.sockaddr!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return UnixEndpoint, (self.sockaddr,)


def _is_sockaddr(value: object) -> bool:
    """Whether some family's address looks like this: numbers, texts, bytes, or a flat tuple of them."""
    parts = value if isinstance(value, tuple) else (value,)
    return all(isinstance(part, int | str | bytes | None) for part in parts)


# As in endpoint.py: the slots of an immutable object are set by their descriptors, at half the cost of __setattr__.
_set_path: Callable[[UnixEndpoint, str | None], None] = UnixEndpoint.__dict__["path"].__set__
_set_abstract: Callable[[UnixEndpoint, bytes | None], None] = UnixEndpoint.__dict__["abstract"].__set__

UNNAMED = UnixEndpoint("")
_unnamed.append(UNNAMED)


def _abstract_text(name: bytes) -> str:
    # Only NUL needs an escape, and the two texts that would read as one.
    text = name.decode("utf-8", "surrogateescape")
    return "@" + text.replace("%25", "%2525").replace("%00", "%2500").replace("\0", "%00")


class OpaqueEndpoint(Endpoint):
    """An address of a family dualstack does not speak: kept, compared and printed, never interpreted.

    Text form: ``af`` and the number of the family on this system, a colon, the ``repr`` of the socket address.
    """

    __slots__ = ("_sockaddr", "family")

    family: int
    _sockaddr: Any

    def __init__(self, family: int, sockaddr: Any) -> None:
        object.__setattr__(self, "family", int(family))
        object.__setattr__(self, "_sockaddr", sockaddr)

    @classmethod
    def read(cls, text: str) -> OpaqueEndpoint:
        """Read the ``afN:`` text form; AddressError points into *text*."""
        head, colon, rest = text.partition(":")
        number = head[2:]
        if not colon or not number.isdecimal() or not number.isascii() or len(number) > 5:
            raise AddressError(text, 0, "not an endpoint; expected address:port, [address]:port or unix:path")
        if len(rest) > _MAX_OPAQUE:
            raise AddressError(text, len(head) + 1, f"longer than any socket address ({_MAX_OPAQUE} characters)")
        from ast import literal_eval

        try:
            sockaddr = literal_eval(rest)
            if not _is_sockaddr(sockaddr):
                raise ValueError(rest)
            return cls(int(number), sockaddr)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            raise AddressError(text, len(head) + 1, "not the repr of a socket address") from None

    @property
    def sockaddr(self) -> Any:
        return self._sockaddr

    def _key(self) -> tuple[int, bytes, int, str]:
        return 3, repr(self._sockaddr).encode("utf-8", "surrogatepass"), self.family, ""

    def __str__(self) -> str:
        return f"af{self.family}:{self._sockaddr!r}"

    def __repr__(self) -> str:
        return f"OpaqueEndpoint({self.family}, {self._sockaddr!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return OpaqueEndpoint, (self.family, self._sockaddr)
