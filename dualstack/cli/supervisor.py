"""Running a program that was given listening sockets: starting, replacing, passing signals on, ending.

Everything that happens to a supervisor arrives as a signal (a child that ended, a timer, a wish from outside), so there
is one place to wait, sigwait(3), and no handler that could run in the middle of anything. Two of them are ignored by
default, and macOS and the BSDs drop what is ignored even while it is blocked; on Linux a parent that ignores SIGCHLD
hands that down, and then the exit status is lost. So those two get a handler, which never runs, as they are blocked.

Why the program is in its own process group: Ctrl-C is sent by the terminal to the whole foreground group, and would
arrive twice, once directly and once passed on; many servers take the second as "drop everything".

SIGHUP, with restart, replaces the program: a new one is started on the next generation of sockets (handover.py); when
it has lived for ``overlap`` seconds it takes over; the old one is told to finish (SIGTERM) when it has had
DRAIN_SECONDS to read what it had accepted, and is killed after ``grace`` seconds. A new one that dies at once changes
nothing. A second SIGHUP waits until the first is done.

Run on Linux; never on macOS and the BSDs.
"""

from __future__ import annotations

import os
import signal as _signal
import subprocess
import time
from errno import EMFILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .handover import Generation

__all__ = ("Supervisor", "fill")

posix: Any = os  # Windows has not all of the names; exec.run() refuses to go on there
signal: Any = _signal

FIRST = 3  # descriptors 0 to 2 are standard input, output and error
ENDING = ("SIGINT", "SIGQUIT", "SIGTERM")
IGNORED = ("SIGCHLD", "SIGWINCH")  # by default
PASSED_ON = (*ENDING, "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGTTIN", "SIGTTOU")
DRAIN_SECONDS = 0.5  # an event loop turns in milliseconds; a client sends its request as soon as it is connected
LONG_LIFE = 1.0  # seconds; a program that lived that long is started again at once
FIRST_PAUSE = 0.1  # seconds before a program that died young is started again, doubled each time
LONGEST_PAUSE = 5.0
LONGEST_WAIT = 86400.0  # seconds; then it is asked anew what is due


def fill(command: Sequence[str], numbers: Sequence[int]) -> list[str]:
    """Repeat each argument that holds ``{fd}`` with each number."""
    filled: list[str] = []
    for argument in command:
        if "{fd}" in argument:
            filled += [argument.replace("{fd}", str(number)) for number in numbers]
        else:
            filled.append(argument)
    return filled


class Program:
    """One running program and the sockets it was given."""

    def __init__(self, command: Sequence[str], sockets: Sequence[tuple[int, str]], mask: set[Any]) -> None:
        self.sockets = sockets
        self.mask = mask
        self.started: float = time.monotonic()
        self.process: subprocess.Popen[bytes]
        # subprocess opens a pipe by which the child says that exec failed: it must not lie where a socket has to go.
        filled: list[int] = []
        try:
            while not filled or filled[-1] < FIRST + len(sockets) - 1:
                filled.append(os.open(os.devnull, os.O_RDONLY))
            self.process = subprocess.Popen(
                fill(command, range(FIRST, FIRST + len(sockets))),
                close_fds=False,
                preexec_fn=self._become,  # noqa: PLW1509 - this command has one thread
            )
        except subprocess.SubprocessError as error:  # all that is told of an exception between fork and exec
            raise OSError(EMFILE, f"{command[0]} could not be given its sockets: out of descriptors?") from error
        finally:
            for number in filled:
                os.close(number)

    def _become(self) -> None:
        """Between fork and exec, in the child."""
        posix.setpgid(0, 0)
        # First out of the way, then into place: a source may lie where another has to go.
        high = FIRST + len(self.sockets)
        copies = []
        for number, _ in self.sockets:
            copy = os.dup(number)
            while copy < high:
                copy = os.dup(number)  # the ones below are closed by exec, or overwritten
            copies.append(copy)
        for index, copy in enumerate(copies):
            os.dup2(copy, FIRST + index, inheritable=True)
        os.environ["LISTEN_PID"] = str(os.getpid())
        os.environ["LISTEN_FDS"] = str(len(self.sockets))
        os.environ["LISTEN_FDNAMES"] = ":".join(name for _, name in self.sockets)
        os.environ.pop("LISTEN_PIDFDID", None)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)

    @property
    def ended(self) -> bool:
        """Whether it has ended; reaps it."""
        return self.process.poll() is not None

    @property
    def how(self) -> str:
        """How it ended, for people."""
        code = self.process.returncode
        return f"exit status {code}" if code >= 0 else f"signal {-code}"

    def send(self, number: int) -> None:
        """Signal the program itself; its own children are its own business."""
        if not self.ended:
            self.process.send_signal(number)

    def kill(self) -> None:
        """End it with everything it started."""
        if not self.ended:
            posix.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Crew:
    """The programs on one generation of sockets: one, or one for each socket."""

    def __init__(self, command: Sequence[str], generation: Generation, each: bool, mask: set[Any]) -> None:
        self.command = command
        self.generation = generation
        self.mask = mask
        sockets = [(member.socket.fileno(), member.name) for member in generation.members]
        self.parts: list[list[tuple[int, str]]] = [[one] for one in sockets] if each else [sockets]
        self.programs: list[Program] = []

    def start(self) -> None:
        """Start all; OSError when the program cannot be run, and then none runs."""
        try:
            for part in self.parts:
                self.programs.append(Program(self.command, part, self.mask))
        except BaseException:
            self.kill()
            raise

    @property
    def ended(self) -> list[Program]:
        """Those that have ended."""
        return [program for program in self.programs if program.ended]

    def replace(self, program: Program) -> None:
        """Start one of them again."""
        index = self.programs.index(program)
        self.programs[index] = Program(self.command, program.sockets, self.mask)

    def send(self, number: int) -> None:
        """Signal all."""
        for program in self.programs:
            program.send(number)

    def kill(self) -> None:
        """End all at once."""
        for program in self.programs:
            program.kill()

    def close(self) -> None:
        """End all and close the sockets."""
        try:
            self.kill()
        finally:
            self.generation.close()


class Supervisor:
    """Runs a program on the sockets of *generation*, which it owns from now on."""

    def __init__(self, command: Sequence[str], generation: Generation, *, each: bool, restart: bool) -> None:
        self.command = command
        self.each = each
        self.restart = restart
        self.overlap: float = 1.0
        self.grace: float = 30.0
        self.mask: set[Any] = set()
        self.current: Crew = Crew(command, generation, each, self.mask)
        self.coming: Crew | None = None  # started, and not proven yet
        self.leaving: Crew | None = None  # told to finish, or about to be
        self.ending: bool = False
        self.status: int | None = None
        self.wishes: int = 0  # SIGHUPs that came during a replacement
        self.pause: float = FIRST_PAUSE
        # When what is due, in monotonic seconds; None: nothing.
        self.again_at: float | None = None
        self.prove_at: float | None = None
        self.term_at: float | None = None
        self.kill_at: float | None = None

    def run(self) -> int:
        """Run until the program has ended for good; return its exit status."""
        waited_for = {getattr(signal, name) for name in PASSED_ON} | {signal.SIGCHLD, signal.SIGALRM}
        # A shell script that starts something with "&" has it ignore these two: Ctrl-C is for the script then.
        waited_for -= {one for one in (signal.SIGINT, signal.SIGQUIT) if signal.getsignal(one) == signal.SIG_IGN}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, waited_for)
        self.mask |= before
        handlers = {getattr(signal, name): signal.signal(getattr(signal, name), _never) for name in IGNORED}
        try:
            self.current.start()
            while not self._done():
                self._set_timer()
                self._react(signal.sigwait(waited_for))
                self._do_due()
            self._reap()  # what ended since the last look still has something to tell
            return self.status or 0
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for crew in (self.coming, self.current, self.leaving):
                if crew is not None:
                    crew.close()
            for number, handler in handlers.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _done(self) -> bool:
        if self.restart and not self.ending:
            return False
        crews = [crew for crew in (self.coming, self.current, self.leaving) if crew is not None]
        return all(program.ended for crew in crews for program in crew.programs)

    def _react(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGHUP and self.restart and not self.ending:
            self.wishes = 1
        elif number in {getattr(signal, name) for name in ENDING}:
            self._end(number)
        elif number != signal.SIGALRM:
            self.current.send(number)
        if self.wishes and self.coming is None and self.leaving is None and not self.ending:
            self.wishes = 0
            self._replace()

    def _end(self, number: int) -> None:
        self.ending = True
        self.again_at = self.prove_at = self.term_at = None
        for crew in (self.coming, self.current, self.leaving):
            if crew is not None:
                crew.send(number)

    # ------------------------------------------------------------------ ended programs

    def _reap(self) -> None:
        if self.leaving is not None and len(self.leaving.ended) == len(self.leaving.programs):
            self.leaving.close()
            self.leaving, self.term_at, self.kill_at = None, None, None
            self.current.generation.settle()
        if self.coming is not None and self.coming.ended and not self.ending:
            how = self.coming.ended[0].how
            self.coming.close()
            self.coming, self.prove_at = None, None
            self._note(f"the new {self.command[0]} ended at once ({how}); the old one goes on")
        for program in self.current.ended:
            if self.status is None:  # with several programs the first one to end tells the tale
                code: int = program.process.returncode
                self.status = code if code >= 0 else 128 - code
            if self.ending:
                continue
            if not self.restart:
                self._end(signal.SIGTERM)  # one of several has ended: the others cannot make up for it
            elif self.coming is not None:
                self.prove_at = time.monotonic()  # the new one is there already
            elif self.again_at is None:
                self._plan_again(program)

    def _plan_again(self, program: Program) -> None:
        young = time.monotonic() - program.started < LONG_LIFE
        pause = self.pause if young else 0.0
        self.pause = min(2 * self.pause, LONGEST_PAUSE) if young else FIRST_PAUSE
        self.again_at = time.monotonic() + pause
        self._note(
            f"{self.command[0]} ended ({program.how}); starting it again" + (f" in {pause:g} s" if pause else "")
        )

    def _start_again(self) -> None:
        self.status = None
        for program in self.current.ended:
            try:
                self.current.replace(program)
            except OSError as error:  # the program is gone from the disk; it may come back
                self._note(f"cannot start {self.command[0]}: {error}")
                self.again_at = time.monotonic() + LONGEST_PAUSE

    # ------------------------------------------------------------------ replacing

    def _replace(self) -> None:
        try:
            crew = Crew(self.command, self.current.generation.successor(), self.each, self.mask)
        except OSError as error:
            self._note(f"cannot open the sockets for a new {self.command[0]}: {error}; the old one goes on")
            return
        try:
            crew.start()
        except OSError as error:
            self._note(f"cannot start a new {self.command[0]}: {error}; the old one goes on")
            crew.close()
            return
        self.coming, self.prove_at = crew, time.monotonic() + self.overlap

    def _take_over(self) -> None:
        if self.coming is None:
            return
        try:
            self.coming.generation.take_over()
        except OSError as error:
            self._note(f"the new {self.command[0]} cannot take over: {error}; the old one goes on")
            self.coming.close()
            self.coming = None
            return
        self.leaving, self.current, self.coming = self.current, self.coming, None
        self.again_at, self.pause = None, FIRST_PAUSE
        self.term_at = time.monotonic() + DRAIN_SECONDS

    # ------------------------------------------------------------------ time

    def _do_due(self) -> None:
        now = time.monotonic()
        if self.again_at is not None and now >= self.again_at:
            self.again_at = None
            self._start_again()
        if self.prove_at is not None and now >= self.prove_at:
            self.prove_at = None
            self._take_over()
        if self.term_at is not None and now >= self.term_at and self.leaving is not None:
            self.term_at, self.kill_at = None, now + self.grace
            self.leaving.send(signal.SIGTERM)
            self._reap()  # it may have ended before, and its SIGCHLD with it
        if self.kill_at is not None and now >= self.kill_at and self.leaving is not None:
            self.kill_at = None
            self.leaving.kill()
            self._reap()

    def _set_timer(self) -> None:
        """Have SIGALRM sent when the next thing is due."""
        due = [at for at in (self.again_at, self.prove_at, self.term_at, self.kill_at) if at is not None]
        # Zero would switch the timer off, and no timer is set for ever.
        wait = min(max(min(due) - time.monotonic(), 0.001), LONGEST_WAIT) if due else 0
        signal.setitimer(signal.ITIMER_REAL, wait)

    def _note(self, text: str) -> None:
        # Not print: what a full disk or a log reader that is gone has left in its buffer would fail once more at exit.
        try:
            os.write(2, f"dualstack exec: {text}\n".encode(errors="backslashreplace"))
        except OSError:
            pass  # a server does not end because nobody takes its log


def _never(number: int, frame: object) -> None:
    """The handler of signals that are only waited for."""
