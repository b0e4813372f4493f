"""What each errno of accept means, and how long a shortage waits."""

from __future__ import annotations

import errno

import pytest

from dualstack.core.accept import IGNORE, RAISE, AcceptPolicy

OF_ONE_CONNECTION = [
    "EINTR",
    "ECONNABORTED",
    "ECONNRESET",
    "EPROTO",
    "EPERM",
    "ENETDOWN",
    "ENETUNREACH",
    "ENOPROTOOPT",
    "EHOSTDOWN",
    "ENONET",
    "EHOSTUNREACH",
    "EOPNOTSUPP",
    "ETIMEDOUT",
]
SHORTAGES = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]
BROKEN = ["EBADF", "EINVAL", "ENOTSOCK", "EFAULT", "EACCES", "EAGAIN", "EADDRINUSE"]


def number(name: str) -> int:
    code = getattr(errno, name, None)
    if code is None:
        pytest.skip(f"this system has no {name}; Linux has them all")
    return int(code)


@pytest.mark.parametrize("name", OF_ONE_CONNECTION)
def test_an_error_of_one_connection_is_ignored(name: str) -> None:
    policy = AcceptPolicy()
    assert [policy.failed(number(name)) for _ in range(3)] == [IGNORE] * 3
    assert not policy.in_episode


@pytest.mark.parametrize("name", BROKEN)
def test_anything_else_is_raised(name: str) -> None:
    assert AcceptPolicy().failed(number(name)) == RAISE


def test_every_errno_has_one_meaning() -> None:
    names = {*OF_ONE_CONNECTION, *SHORTAGES}
    known = {getattr(errno, name) for name in names if hasattr(errno, name)}
    for code in errno.errorcode:
        assert (AcceptPolicy().failed(code) != RAISE) == (code in known), errno.errorcode[code]
    assert AcceptPolicy().failed(0) == RAISE


@pytest.mark.parametrize("name", SHORTAGES)
def test_a_shortage_waits_longer_and_longer_up_to_a_limit(name: str) -> None:
    policy = AcceptPolicy()
    waits = [policy.failed(number(name)) for _ in range(9)]
    assert waits == [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 0.64, 0.64]
    assert sum(wait > 0 for wait in waits) == len(waits)  # never a spin


def test_an_episode_ends_with_success() -> None:
    policy = AcceptPolicy()
    assert not policy.in_episode
    policy.failed(errno.EMFILE)
    policy.failed(errno.EMFILE)
    assert policy.in_episode
    policy.failed(errno.ECONNABORTED)  # one rude client does not end it
    assert policy.in_episode
    policy.succeeded()
    assert not policy.in_episode
    assert policy.failed(errno.ENFILE) == 0.01
