"""No place where Ctrl-C passes a ``finally`` by.

Problem. Since 3.11 a ``try`` costs nothing because a table says which handler belongs to which instruction. CPython
looks for signals at jumps back, and some of these jumps are outside the table: on 3.13 those at the end of a loop whose
condition or body branches (python/cpython#130279), on 3.11 and 3.12 those that lead from the end of an ``except``
clause back to the code behind it (#108214, #107901). A KeyboardInterrupt, or whatever else a signal handler raises,
that comes just there leaves the function without its ``finally``, its ``except BaseException`` or the end of its
``with``: a lock stays locked, a socket stays open. On 3.12.1 that was one Ctrl-C in thirty, when it came right after
a request and ``accept`` had just found nobody else.

Our rule. In what holds descriptors and locks, the body of such a ``try`` or ``with`` is a call where CPython's tables
have that hole: in a function of its own, the same jump has nothing to leave out, and the call itself is in the table.
This test reads the tables of the running Python for all of our functions; it cannot know those of a Python that
is not here.

Left out: coroutines, since asyncio and trio turn Ctrl-C into a cancellation at an ``await``; ``check/`` and ``cli/``,
whose process ends with it; ``testing/``, where nothing is real; handlers that name the exceptions they want, since an
interrupt is none of them.
"""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Iterator
from types import CodeType

import pytest

LEFT_OUT = ("check/", "cli/", "testing/")
UNIT = 2  # bytes of an instruction or a cache entry


class Row:
    """One function's instructions and its exception table."""

    def __init__(self, code: CodeType) -> None:
        self.table = dis._parse_exception_table(code)
        self.code = {one.offset: one for one in dis.get_instructions(code, show_caches=True)}

    def handler(self, offset: int | None) -> int | None:
        found = [entry.target for entry in self.table if offset is not None and entry.start <= offset < entry.end]
        return found[-1] if found else None

    def handlers(self, offset: int) -> list[int]:
        """All handlers an exception at *offset* comes by, if each raises it again."""
        found: list[int] = []
        handler = self.handler(offset)
        while handler is not None and handler not in found:
            found.append(handler)
            handler = self.handler(handler)
        return found

    def sees_interrupts(self, handler: int) -> bool:
        """Whether it is a ``finally``, a ``with`` or a clause for all exceptions."""
        names = [self.code[at] for at in sorted(self.code) if at >= handler][:14]
        if names[0].opname != "PUSH_EXC_INFO":
            return False  # the end of a comprehension or of a generator, which restores a name
        match = [index for index, one in enumerate(names) if one.opname == "CHECK_EXC_MATCH"]
        return not match or "BaseException" in [one.argval for one in names[: match[0]]]

    def holes(self) -> Iterator[int | None]:
        """The lines of jumps back at which an interrupt does not come by the handler of where they lead."""
        for offset, one in self.code.items():
            if one.opname != "JUMP_BACKWARD":
                continue
            target: int = one.argval
            due = self.handler(target)
            # 3.13 looks for signals before it jumps; others after it, and blame the instruction before the target.
            at = offset if sys.version_info >= (3, 13) else target - UNIT
            if due is not None and due not in self.handlers(at) and self.sees_interrupts(due):
                yield one.positions.lineno if one.positions else None


def functions(code: CodeType) -> Iterator[CodeType]:
    if not code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from functions(constant)


def holes(text: str, name: str) -> list[str]:
    return [
        f"{name}:{line} in {code.co_qualname}"
        for code in functions(compile(text, name, "exec"))
        for line in Row(code).holes()
    ]


pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="3.10 keeps a stack of blocks, which has no holes; runs from 3.11"
)


def test_interrupts(sources):
    found = [
        hole for source in sources if not source.name.startswith(LEFT_OUT) for hole in holes(source.text, source.name)
    ]
    assert found == []


# What the test has to find on the Pythons named; on others nobody looked, and a table without the hole is good news.
ACCEPT = """
def accept(self):
    try:
        self.enter()
        if self.hot:
            try:
                found = self.look()
            except OSError:
                pass
            else:
                if found:
                    return found
        return self.wait()
    finally:
        self.leave()
"""
LOOP = """
def run(self):
    with self.lock:
        while self.known > self.size:
            del self.known[0]
"""


@pytest.mark.parametrize(
    ("text", "there"),
    [(ACCEPT, (3, 12, 1)), (LOOP, (3, 13, 0))],
    ids=["the end of an except clause", "a loop in a with"],
)
def test_it_finds(text, there):
    if sys.version_info[:3] != there:
        pytest.skip(f"the hole was seen in {'.'.join(map(str, there))}; runs there")
    assert len(holes(text, "example")) == 1
