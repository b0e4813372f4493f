"""The functions of a Python module, running with the names of another one.

``socket.fromfd`` of the standard library makes what is called ``socket`` in its own module. To make it give sockets of
the shim, the naive way is to write it again, for each Python as that has it. Instead the same code runs with the
shim's names: a function object is its code and the dictionary it looks names up in, and the second can be chosen.
"""

from __future__ import annotations

from types import FunctionType, ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ("rebound",)


def rebound(module: ModuleType, names: dict[str, Any]) -> dict[str, Any]:
    """Everything of *module* but its dunder names; its own functions as copies that look names up in *names*."""
    own = vars(module)
    return {
        name: _copy(value, names) if isinstance(value, FunctionType) and value.__globals__ is own else value
        for name, value in own.items()
        if not name.startswith("__")
    }


def _copy(function: FunctionType, names: dict[str, Any]) -> FunctionType:
    made = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    made.__doc__ = function.__doc__
    made.__qualname__ = function.__qualname__
    return made
