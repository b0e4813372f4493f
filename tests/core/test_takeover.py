"""The takeover decision, over its whole input space and by named rows."""

from __future__ import annotations

import errno
import itertools

import pytest

from dualstack.core import takeover
from dualstack.core.takeover import FORCE, KEEP, MISSING, POLICIES, PROBE, REFUSE, REMOVE, RETRY, SOCKET, STALE, decide

KINDS = (SOCKET, MISSING, "a regular file", "a symbolic link", "a directory", "a FIFO", "a device")
PROBES = (0, *sorted(errno.errorcode), 99999)
LIVE_OR_UNKNOWN = [code for code in PROBES if code not in (errno.ECONNREFUSED, errno.ENOENT)]


def every_input():
    for policy, kind, owned, locked in itertools.product(POLICIES, KINDS, (True, False), (True, False)):
        for probe in (None, *PROBES):
            yield policy, kind, owned, locked, probe


def test_removal_needs_everything_at_once():
    removed = 0
    for policy, kind, owned, locked, probe in every_input():
        action, reason = decide(policy, kind, owned=owned, locked=locked, probe=probe)
        if action == REMOVE:
            removed += 1
            assert kind == SOCKET and owned and locked and policy != REFUSE
            assert policy == FORCE or probe == errno.ECONNREFUSED
        assert action in (KEEP, REMOVE, RETRY, PROBE)
        assert bool(reason) == (action != PROBE)  # whoever is told to act is told why
    assert removed == 1 + 1 + len(PROBES)  # stale: one answer; force: unprobed and whatever the probe said


def test_the_probe_is_asked_for_once_and_only_when_it_decides():
    for policy, kind, owned, locked, probe in every_input():
        action, _ = decide(policy, kind, owned=owned, locked=locked, probe=probe)
        assert (action == PROBE) == (policy == STALE and kind == SOCKET and owned and locked and probe is None)


def test_what_is_gone_is_bound_again_under_every_policy():
    for policy, _, owned, locked, probe in every_input():
        assert decide(policy, MISSING, owned=owned, locked=locked, probe=probe)[0] == RETRY


@pytest.mark.parametrize("probe", LIVE_OR_UNKNOWN)
def test_every_answer_but_refused_and_missing_counts_as_alive(probe):
    assert decide(STALE, SOCKET, owned=True, locked=True, probe=probe)[0] == KEEP


@pytest.mark.parametrize(
    ("policy", "kind", "owned", "locked", "probe", "says"),
    [
        pytest.param(STALE, "a regular file", True, True, None, "a regular file is there", id="regular-file"),
        pytest.param(FORCE, "a symbolic link", True, True, None, "a symbolic link is there", id="force-keeps-a-link"),
        pytest.param(REFUSE, SOCKET, True, True, None, "takeover='refuse'", id="refuse"),
        pytest.param(STALE, SOCKET, False, True, None, "another user", id="foreign-owner"),
        pytest.param(FORCE, SOCKET, False, True, None, "another user", id="force-keeps-a-foreign-owner"),
        pytest.param(STALE, SOCKET, True, False, None, "could not be locked", id="no-lock"),
        pytest.param(STALE, SOCKET, True, True, 0, "running process", id="datagram-socket-alive"),
        pytest.param(STALE, SOCKET, True, True, errno.EPROTOTYPE, "running process", id="stream-socket-alive"),
        pytest.param(STALE, SOCKET, True, True, errno.EAGAIN, "full backlog", id="backlog-full"),
        pytest.param(STALE, SOCKET, True, True, errno.EACCES, "could not be found out", id="denied"),
    ],
)
def test_the_reason_names_the_cause(policy, kind, owned, locked, probe, says):
    action, reason = decide(policy, kind, owned=owned, locked=locked, probe=probe)
    assert action == KEEP
    assert says in reason


def test_public_names_exist():
    for name in takeover.__all__:
        assert hasattr(takeover, name)
