"""``python -m dualstack exec`` with a small program of our own: what it gets, what it is told, what stays."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import pytest

from dualstack.cli.exec import _named
from dualstack.cli.handover import Generation
from dualstack.cli.supervisor import Program, Supervisor, fill
from dualstack.errors import UnsupportedError

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="exec needs fork; runs on POSIX")

# Answers every connection with its process id; finishes at SIGTERM like the servers this is for: rudely, by closing
# what it has accepted and not read from.
SERVER = r"""
import os, select, signal, socket, sys
listeners = [socket.socket(fileno=3 + index) for index in range(int(os.environ["LISTEN_FDS"]))]
assert os.environ["LISTEN_PID"] == str(os.getpid())
stop, wake = socket.socketpair()
wake.setblocking(False)
signal.set_wakeup_fd(wake.fileno())
signal.signal(signal.SIGTERM, lambda *_: None)
line = " ".join(["up", str(os.getpid()), os.environ["LISTEN_FDNAMES"], *sys.argv[1:]])
os.write(1, line.encode() + b"\n")  # in one piece: several programs share the pipe
for sock in listeners:
    sock.setblocking(False)
accepted = []
while True:
    ready, _, _ = select.select([stop, *listeners, *accepted], [], [])
    if stop in ready:
        os._exit(0)
    for sock in ready:
        if sock in accepted:
            sock.recv(100)
            sock.sendall(str(os.getpid()).encode())
            sock.close()
            accepted.remove(sock)
        else:
            try:
                accepted.append(sock.accept()[0])
            except BlockingIOError:
                pass
"""


def ask(target) -> int:
    family, address = target
    with socket.socket(family) as sock:
        sock.settimeout(20)
        sock.connect(address)
        sock.sendall(b"who?")
        return int(sock.recv(100))


class Exec:
    """A running exec command whose output is read line by line."""

    def __init__(self, *arguments: str, program: str = SERVER, extra=()) -> None:
        code = [sys.executable, "-c", textwrap.dedent(program)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dualstack", "exec", *arguments, "--", *code, *extra],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def line(self, wanted: str) -> str:
        """The next line that holds *wanted*; the test's own timeout ends the wait."""
        for line in self.process.stdout:
            if wanted in line:
                return line.strip()
        raise AssertionError(f"ended without {wanted!r}: {self.process.wait()}")

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        with self.process.stdout:
            self.process.stdout.read()
        return self.process.wait(30)


@pytest.fixture
def path():
    folder = tempfile.mkdtemp(prefix="ds", dir="/tmp")
    yield f"{folder}/s"
    left = os.listdir(folder)
    shutil.rmtree(folder)
    assert left == []


@pytest.fixture
def port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture
def started():
    running = []

    def start(*arguments, **options):
        running.append(Exec(*arguments, **options))
        return running[-1]

    yield start
    for one in running:
        if one.process.poll() is None:
            one.process.kill()
        one.process.stdout.close()
        one.process.wait()


def test_one_program_over_ipv4_and_unix_with_names(started, path, port):
    run = started("--listen", f"web=127.0.0.1:{port}", f"local=unix:{path}", extra=["{fd}", "--fd={fd}", "x"])
    line = run.line("up").split()
    assert line[2:] == ["web:local", "3", "4", "--fd=3", "--fd=4", "x"]
    pid = int(line[1])
    assert ask((socket.AF_INET, ("127.0.0.1", port))) == pid
    assert ask((socket.AF_UNIX, path)) == pid
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert run.end() == 0
    assert not os.path.exists(path)


def test_each_socket_its_own_program(started, path, port):
    run = started("--listen", f"127.0.0.1:{port}", f"unix:{path}", "--each", extra=["{fd}"])
    first, second = run.line("up").split(), run.line("up").split()
    assert first[2:] == second[2:] == ["listen", "3"]
    pids = {ask((socket.AF_INET, ("127.0.0.1", port))), ask((socket.AF_UNIX, path))}
    assert pids == {int(first[1]), int(second[1])}
    os.kill(int(first[1]), signal.SIGKILL)  # without --restart one that ends ends all
    assert run.process.wait(30) == 128 + signal.SIGKILL


@pytest.mark.parametrize(
    ("program", "status"),
    [
        pytest.param("raise SystemExit(7)", 7, id="exit-status"),
        pytest.param("import os; os.kill(os.getpid(), 9)", 137, id="killed"),
        pytest.param("", 0, id="done"),
    ],
)
def test_the_status_is_the_programs(started, path, program, status):
    run = started("--listen", f"unix:{path}", program=program)
    assert run.process.wait(30) == status


def test_the_status_is_the_programs_even_where_ended_children_are_ignored():
    """What a parent ignores stays ignored over exec(2), and nobody would be told that the program ended."""
    code = """
    import os, signal, sys
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    program = [sys.executable, "-c", "raise SystemExit(7)"]
    os.execv(sys.executable, [sys.executable, "-m", "dualstack", "exec", "--listen", "127.0.0.1:0", "--", *program])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 7


def test_what_is_waited_for_is_not_ignored():
    """macOS and the BSDs drop ignored signals even while they are blocked; SIGCHLD is ignored by default."""
    seen = {}

    class Looking(Supervisor):
        def _done(self):
            for name in ("SIGCHLD", "SIGWINCH"):
                seen[name] = signal.getsignal(getattr(signal, name))
            return super()._done()

    before = signal.getsignal(signal.SIGCHLD), signal.getsignal(signal.SIGWINCH)
    assert Looking([sys.executable, "-c", ""], Generation({}), each=False, restart=False).run() == 0
    assert len(seen) == 2
    assert not {signal.SIG_DFL, signal.SIG_IGN} & set(seen.values())
    assert (signal.getsignal(signal.SIGCHLD), signal.getsignal(signal.SIGWINCH)) == before


def test_signals_are_passed_on_once(started, path):
    program = """
    import os, signal, sys
    names = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"]
    # Not signal.pause(): a signal that comes just before it is handled after the next one.
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    def got(number, _):  # not print: a signal in the middle of a flush would enter the buffer twice
        os.write(1, ("got " + signal.Signals(number).name + chr(10)).encode())

    for name in names:
        signal.signal(getattr(signal, name), got)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
    print("up", os.getpgid(0) == os.getpid(), sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])), flush=True)
    while True:
        os.read(wake, 100)
    """
    run = started("--listen", f"unix:{path}", program=program)
    assert run.line("up") == "up True []"
    for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGINT"):
        run.process.send_signal(getattr(signal, name))
        assert run.line("got") == f"got {name}"
    assert run.end() == 5


def test_what_a_script_starts_in_the_background_is_not_ended_by_its_ctrl_c(path):
    """SIGINT and SIGQUIT are ignored there; while they are blocked, Linux would keep them for us all the same."""
    program = """
    import os, signal, sys
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b"got SIGUSR1" + bytes([10])))
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda number, _: os.write(1, b"got %d" % number + bytes([10])))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
    print("up", flush=True)
    while True:
        os.read(wake, 100)
    """
    code = """
    import os, signal, sys
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    os.execv(sys.executable, [sys.executable, "-m", "dualstack", "exec", *sys.argv[1:]])
    """
    command = [sys.executable, "-c", textwrap.dedent(code), "--listen", f"unix:{path}", "--"]
    command += [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "up\n"
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1):
            process.send_signal(number)
        assert process.stdout.readline() == "got SIGUSR1\n"
        process.terminate()
        assert process.wait(30) == 5


def test_restart_starts_it_again_and_keeps_the_backlog(started, path):
    run = started("--restart", "--listen", f"unix:{path}")
    first = int(run.line("up").split()[1])
    assert ask((socket.AF_UNIX, path)) == first
    os.kill(first, signal.SIGKILL)
    second = ask((socket.AF_UNIX, path))  # connected at once or while nobody accepted: answered either way
    assert second != first
    assert run.end() == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is full: /dev/full; runs on Linux")
def test_nobody_takes_the_log(path):
    """The disk is full: that it was started again cannot be told, and it is started again."""
    command = [sys.executable, "-m", "dualstack", "exec", "--restart", "--listen", f"unix:{path}", "--"]
    with (
        open("/dev/full", "w") as full,
        subprocess.Popen(
            [*command, sys.executable, "-c", SERVER], cwd=ROOT, stdout=subprocess.PIPE, stderr=full, text=True
        ) as process,
    ):
        first = int(process.stdout.readline().split()[1])
        os.kill(first, signal.SIGKILL)
        second = int(process.stdout.readline().split()[1])
        assert ask((socket.AF_UNIX, path)) == second != first
        process.terminate()
        assert process.wait(30) == 0


def test_a_program_that_cannot_live_is_started_less_and_less_often(started, path):
    run = started("--restart", "--listen", f"unix:{path}", program="raise SystemExit(3)")
    for pause in ("0.1", "0.2", "0.4"):
        assert f"(exit status 3); starting it again in {pause} s" in run.line("ended")
    assert run.end() == 3


def test_a_replacement_loses_nothing_even_of_a_rude_program(started, path, port):
    targets = [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_UNIX, path)]
    run = started("--restart", "--overlap", "0.3", "--listen", f"127.0.0.1:{port}", f"unix:{path}")
    seen = [{int(run.line("up").split()[1])}, set()]
    failed, stop = [], threading.Event()

    def load(target):
        while not stop.is_set():
            try:
                seen[1].add(ask(target))
            except (OSError, ValueError) as error:
                failed.append((target, error))

    threads = [threading.Thread(target=load, args=(target,)) for target in targets * 2]
    for thread in threads:
        thread.start()
    for _ in range(3):
        run.process.send_signal(signal.SIGHUP)
        pid = int(run.line("up").split()[1])
        seen[0].add(pid)
        deadline = time.monotonic() + 20
        while any(ask(target) != pid for target in targets) or len(os.listdir(os.path.dirname(path))) > 1:
            assert time.monotonic() < deadline
    stop.set()
    for thread in threads:
        thread.join()
    if sys.platform == "linux":
        assert failed == []
    assert len(seen[0]) == 4
    assert seen[1] <= seen[0]
    assert run.end() == 0


def test_a_new_one_that_dies_at_once_changes_nothing(started, path, tmp_path):
    flag = tmp_path / "broken"
    program = f"import os\nif os.path.exists({str(flag)!r}): raise SystemExit(9)\n" + SERVER
    run = started("--restart", "--listen", f"unix:{path}", program=program)
    pid = int(run.line("up").split()[1])
    flag.touch()
    run.process.send_signal(signal.SIGHUP)
    assert "ended at once (exit status 9); the old one goes on" in run.line("ended")
    assert ask((socket.AF_UNIX, path)) == pid
    assert os.listdir(os.path.dirname(path)) == ["s"]
    assert run.end() == 0


def stubborn(flag):
    """Stays when told to finish, if it was started before *flag* was there."""
    return f"""
    import os, signal
    wake, waker = os.pipe()  # not signal.pause(): it may miss one that comes just before
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    if os.path.exists({str(flag)!r}):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    else:
        signal.signal(signal.SIGTERM, lambda *_: print("told", flush=True))
    print("up", os.getpid(), flush=True)
    while True:
        os.read(wake, 100)
    """


def test_a_program_that_does_not_finish_is_killed_after_the_grace(started, path, tmp_path):
    flag = tmp_path / "second"
    run = started("--restart", "--overlap", "0", "--grace", "0.1", "--listen", f"unix:{path}", program=stubborn(flag))
    first = int(run.line("up").split()[1])
    flag.touch()
    run.process.send_signal(signal.SIGHUP)
    run.line("told")
    deadline = time.monotonic() + 20
    while True:
        try:
            os.kill(first, 0)
        except ProcessLookupError:
            break
        assert time.monotonic() < deadline
    assert run.end() == 128 + signal.SIGTERM


def test_with_a_grace_without_end_the_old_one_may_stay(started, path, tmp_path):
    """And the timer, which cannot be set for ever, is set all the same."""
    flag = tmp_path / "second"
    run = started("--restart", "--overlap", "0", "--grace", "inf", "--listen", f"unix:{path}", program=stubborn(flag))
    first = int(run.line("up").split()[1])
    flag.touch()
    run.process.send_signal(signal.SIGHUP)
    run.line("told")
    os.kill(first, signal.SIGKILL)
    assert run.end() == 128 + signal.SIGTERM


def test_a_program_that_cannot_be_run_is_told_whatever_descriptors_are_free():
    """By the pipe of subprocess, which would otherwise lie where a socket goes."""
    code = """
    import os, socket
    from dualstack.cli.supervisor import Program
    kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]
    with socket.socket() as one, socket.socket() as two:
        for number in kept:
            os.close(number)
        before = os.listdir("/proc/self/fd" if os.path.exists("/proc/self/fd") else "/dev/fd")
        try:
            Program(["/no/such/program"], [(one.fileno(), "a"), (two.fileno(), "b")], set())
        except FileNotFoundError as error:
            print(error)
        assert os.listdir("/proc/self/fd" if os.path.exists("/proc/self/fd") else "/dev/fd") == before
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[Errno 2] No such file or directory: '/no/such/program'\n"


def test_what_fails_between_fork_and_exec_does_not_end_the_supervisor(monkeypatch):
    """It reports an OSError and goes on with the old program; what subprocess raises is another kind."""

    def out_of_descriptors(self):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Program, "_become", out_of_descriptors)
    with pytest.raises(OSError, match="could not be given its sockets") as caught:
        Program([sys.executable], [], set())
    assert caught.value.errno == errno.EMFILE


def test_inherited_sockets_are_passed_on(started, path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        sock.listen()
        os.set_inheritable(sock.fileno(), True)
        code = [sys.executable, "-c", SERVER]
        base = [sys.executable, "-m", "dualstack", "exec"]
        with subprocess.Popen(
            [*base, "--restart", "--overlap", "0", "--listen", f"fd://{sock.fileno()}", "--", *code],
            cwd=ROOT,
            pass_fds=[sock.fileno()],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            first = int(process.stdout.readline().split()[1])
            assert ask((socket.AF_UNIX, path)) == first
            process.send_signal(signal.SIGHUP)
            second = int(process.stdout.readline().split()[1])
            while ask((socket.AF_UNIX, path)) != second:
                pass
            process.terminate()
            assert process.wait(30) == 0
        assert os.path.exists(path)  # whoever made it removes it
    os.unlink(path)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        pytest.param(["--listen", "unix:/no/such/dir/s", "--", "true"], 1, "No such file", id="cannot-listen"),
        pytest.param(
            ["--listen", "127.0.0.1:0", "--", "no-such-program-x"],
            1,
            "dualstack exec: [Errno 2] No such file or directory: 'no-such-program-x'",
            id="no-program",
        ),
        pytest.param(
            ["--listen", "unix:/tmp/never-made", "--owner", "nobody-of-that-name", "--", "true"],
            2,
            "dualstack exec: owner: there is no user 'nobody-of-that-name' on this host",
            id="no-user",
        ),
        pytest.param(["--listen", ":0", "--mode", "rw", "--", "true"], 2, "'rw' is not an octal number", id="mode"),
        pytest.param(["--listen", ":0", "--grace", "nan", "--", "true"], 2, "'nan' is not a number of", id="grace"),
        pytest.param(["--listen", ":0", "--overlap", "-1", "--", "true"], 2, "'-1' is not a number of", id="overlap"),
        pytest.param(["--listen", "::1:80", "--", "true"], 2, "::1:80", id="ambiguous-address"),
        pytest.param(["--", "true"], 2, "--listen", id="nothing-to-listen-on"),
        pytest.param(["--listen", "127.0.0.1:0"], 2, "COMMAND", id="nothing-to-run"),
    ],
)
def test_mistakes_are_told(arguments, status, says):
    done = subprocess.run(
        [sys.executable, "-m", "dualstack", "exec", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (":80", ("listen", ":80")),
        ("web=:80", ("web", ":80")),
        ("a-b.c=unix:/x=y", ("a-b.c", "unix:/x=y")),
        ("unix:/x=y", ("listen", "unix:/x=y")),
        ("=x", ("listen", "=x")),
        ("[::1]:80", ("listen", "[::1]:80")),
    ],
)
def test_names(text, named):
    assert _named(text) == named


def test_fill():
    assert fill(["a", "--fd={fd}", "{fd}", "b"], [3, 4]) == ["a", "--fd=3", "--fd=4", "3", "4", "b"]
    assert fill(["a{fd}{fd}"], [5]) == ["a55"]


def test_without_fork_it_says_so(monkeypatch):
    import dualstack.cli.exec as command

    monkeypatch.delattr(command.os, "fork")
    with pytest.raises(UnsupportedError, match="handing listeners"):
        command.run(None)
