"""The error of a lost race: its class, its errno, its table, its causes."""

from __future__ import annotations

import builtins
import errno
import pickle
import sys

import pytest

from dualstack.core.endpoint import IPv4Endpoint, IPv6Endpoint
from dualstack.core.report import NotTried, explain, report
from dualstack.errors import (
    Attempt,
    ConnectError,
    DeniedConnectError,
    NoFileConnectError,
    RefusedConnectError,
    TimeoutConnectError,
)

SIX, FOUR = IPv6Endpoint("2001:db8::1", 443), IPv4Endpoint("192.0.2.1", 443)
REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
SILENT = None
UNREACHABLE = OSError(errno.ENETUNREACH, "Network is unreachable")
TIMED_OUT = TimeoutError(errno.ETIMEDOUT, "Connection timed out")
FORBIDDEN = NotTried(errno.EACCES, "not allowed (allow=)")
DENIED = PermissionError(errno.EACCES, "Permission denied")
NO_FILE = FileNotFoundError(errno.ENOENT, "No such file or directory")
NO_FILES = OSError(errno.EMFILE, "Too many open files")


def attempts(*errors):
    return [Attempt(FOUR, None if isinstance(e, NotTried) else 0.0, 0.5, e) for e in errors]


@pytest.mark.parametrize(
    ("errors", "timed_out", "cls", "code"),
    [
        pytest.param([REFUSED], False, RefusedConnectError, errno.ECONNREFUSED, id="refused"),
        pytest.param([REFUSED, REFUSED], False, RefusedConnectError, errno.ECONNREFUSED, id="all-refused"),
        pytest.param([REFUSED, UNREACHABLE], False, ConnectError, errno.ECONNREFUSED, id="refused-tells-more"),
        pytest.param([UNREACHABLE, REFUSED], False, ConnectError, errno.ECONNREFUSED, id="in-any-order"),
        pytest.param([TIMED_OUT, TIMED_OUT], False, TimeoutConnectError, errno.ETIMEDOUT, id="all-timed-out"),
        pytest.param([TIMED_OUT, UNREACHABLE], False, ConnectError, errno.ETIMEDOUT, id="silence-before-no-route"),
        pytest.param([REFUSED, SILENT], True, TimeoutConnectError, errno.ETIMEDOUT, id="deadline"),
        pytest.param([], True, TimeoutConnectError, errno.ETIMEDOUT, id="deadline-while-resolving"),
        pytest.param([], False, ConnectError, errno.EHOSTUNREACH, id="nothing-to-try"),
        pytest.param([FORBIDDEN], False, DeniedConnectError, errno.EACCES, id="forbidden"),
        pytest.param([DENIED, FORBIDDEN], False, DeniedConnectError, errno.EACCES, id="denied"),
        pytest.param([DENIED, UNREACHABLE], False, ConnectError, errno.ENETUNREACH, id="denied-or-unreachable"),
        pytest.param([NO_FILE], False, NoFileConnectError, errno.ENOENT, id="no-file"),
        pytest.param([UNREACHABLE, UNREACHABLE], False, ConnectError, errno.ENETUNREACH, id="all-unreachable"),
        pytest.param([FORBIDDEN, REFUSED], False, ConnectError, errno.ECONNREFUSED, id="refused-and-forbidden"),
        pytest.param([NO_FILES, REFUSED], False, ConnectError, errno.EMFILE, id="what-is-wrong-here-first"),
        pytest.param([OSError("odd")], False, ConnectError, errno.EIO, id="without-errno"),
        pytest.param([OSError("odd"), REFUSED], False, ConnectError, errno.ECONNREFUSED, id="known-before-unknown"),
        pytest.param([SILENT], False, TimeoutConnectError, errno.ETIMEDOUT, id="silence"),
        pytest.param([TimeoutError("slow")], False, TimeoutConnectError, errno.ETIMEDOUT, id="timeout-without-errno"),
    ],
)
def test_class_and_errno(errors, timed_out, cls, code):
    failure = report("example.com port 443", attempts(*errors), timed_out=timed_out, timeout=5)
    assert type(failure) is cls
    assert failure.errno == code
    assert isinstance(failure, ConnectionRefusedError) == (cls is RefusedConnectError)
    assert isinstance(failure, TimeoutError) == (cls is TimeoutConnectError)
    assert isinstance(failure, PermissionError) == (cls is DeniedConnectError)
    assert isinstance(failure, FileNotFoundError) == (cls is NoFileConnectError)
    assert type(pickle.loads(pickle.dumps(failure))) is cls


def test_the_message_is_a_table():
    failure = report(
        "example.com port 443",
        [
            Attempt(SIX, 0.0, 5.0, None),
            Attempt(FOUR, 0.25, 0.262, REFUSED),
            Attempt(IPv4Endpoint("10.0.0.1", 443), None, None, FORBIDDEN),
        ],
        timeout=5,
        timed_out=True,
        notes=["IPv4 addresses of example.com: no answer from the resolver"],
    )
    assert str(failure).splitlines() == [
        "cannot connect to example.com port 443 within 5 s",
        "  [2001:db8::1]:443   0.000 s  no answer for 5.000 s",
        "  192.0.2.1:443       0.250 s  Connection refused after 0.012 s",
        "  10.0.0.1:443          never  not allowed (allow=)",
        "  IPv4 addresses of example.com: no answer from the resolver",
    ]


@pytest.mark.parametrize(
    ("errors", "timed_out", "end"),
    [
        ([], False, ": no address to try"),
        ([], True, " within 5 s: no time to try an address"),
        ([FORBIDDEN], False, ": no address may be tried"),
    ],
)
def test_first_line(errors, timed_out, end):
    failure = report("x", attempts(*errors), timed_out=timed_out, timeout=5)
    assert str(failure).splitlines()[0] == "cannot connect to x" + end


def test_the_resolver_is_named_where_it_was_asked():
    silent = ["IPv6 addresses of x: no answer from the resolver"]
    failure = report("x", [], timed_out=True, timeout=5, notes=silent)
    assert str(failure).splitlines()[0] == "cannot connect to x within 5 s: no answer from the resolver"


def test_long_tables_are_cut_and_attempts_are_not():
    failure = report("x", attempts(*[REFUSED] * 100))
    lines = str(failure).splitlines()
    assert len(lines) == 13 and lines[-1] == "  and 89 more; see the attempts of this exception"
    assert len(failure.attempts) == 100
    whole = str(report("x", attempts(*[REFUSED] * 12))).splitlines()
    assert len(whole) == 13 and "more" not in whole[-1]
    cut = str(report("x", attempts(*[REFUSED] * 13))).splitlines()
    assert len(cut) == 13 and cut[-1] == "  and 2 more; see the attempts of this exception"


def test_a_deadline_of_somebody_else_has_no_number():
    assert str(report("x", attempts(SILENT), timed_out=True)).splitlines()[0] == "cannot connect to x"


def test_one_cause_is_the_cause():
    assert report("x", attempts(REFUSED)).__cause__ is REFUSED
    assert report("x", attempts(SILENT)).__cause__ is None


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with 3.11; runs there")
def test_several_causes_are_a_group():
    cause = report("x", attempts(UNREACHABLE, SILENT, REFUSED)).__cause__
    assert cause.exceptions == (UNREACHABLE, REFUSED)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with 3.11; runs there")
def test_a_group_holds_what_it_may():
    assert report("x", attempts(UNREACHABLE, KeyboardInterrupt(), REFUSED)).__cause__.exceptions == (
        UNREACHABLE,
        REFUSED,
    )


def test_silence_beside_one_cause_makes_no_group():
    assert report("x", attempts(UNREACHABLE, SILENT)).__cause__ is UNREACHABLE


def test_several_causes_without_groups(monkeypatch):
    monkeypatch.delattr(builtins, "ExceptionGroup", raising=False)  # as on 3.10
    assert report("x", attempts(UNREACHABLE, SILENT, REFUSED)).__cause__ is REFUSED


def test_causes_keep_no_frames():
    try:
        try:
            raise OSError(errno.EIO, "y")
        except OSError:
            raise OSError(errno.EIO, "x")  # noqa: B904 - the context is what is tested
    except OSError as error:
        kept = error
    report("x", attempts(kept))
    assert kept.__traceback__ is None and kept.__context__ is None


@pytest.mark.parametrize(
    ("attempt", "text"),
    [
        (Attempt(FOUR, 0.0, None, None), "no answer"),
        (Attempt(FOUR, 1.0, 1.5, None), "no answer for 0.500 s"),
        (Attempt(FOUR, 0.0, 1.0, TimeoutError("slow")), "slow after 1.000 s"),
        (Attempt(FOUR, 0.0, 1.0, OSError()), "OSError after 1.000 s"),
    ],
)
def test_explain(attempt, text):
    assert explain(attempt) == text


def test_pickles():
    failure = report("x", attempts(REFUSED))
    again = pickle.loads(pickle.dumps(failure))
    assert type(again) is type(failure) and str(again) == str(failure) and len(again.attempts) == 1
