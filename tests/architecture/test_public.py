"""The public surface: __all__, the lazy table, what type checkers see, dir() and docstrings all agree."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest

import dualstack

# Adapters for other people's libraries, which are no dependency of this one.
NEEDS_A_LIBRARY = {f"shim/{name}.py" for name in ("aiohttp", "httpcore", "httpx", "requests", "urllib3")}


def type_checking_imports(root: Path) -> dict[str, str]:
    """What dualstack/__init__.py tells type checkers: name -> module."""
    tree = ast.parse((root / "dualstack" / "__init__.py").read_text(encoding="utf-8"))
    found = {}
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body:
                if isinstance(statement, ast.ImportFrom):
                    for alias in statement.names:
                        if alias.asname == alias.name:  # `import X as X` is a re-export, the rest is private
                            found[alias.name] = statement.module or alias.name
    return found


def test_all_is_a_tuple_without_repeats() -> None:
    assert isinstance(dualstack.__all__, tuple)
    assert len(set(dualstack.__all__)) == len(dualstack.__all__)


def test_lazy_table_agrees_with_all() -> None:
    assert set(dualstack._HOME) == set(dualstack.__all__) - {"__version__"}


def test_type_checkers_see_the_same_names(root: Path) -> None:
    told = type_checking_imports(root)
    assert {name: dualstack._HOME.get(name) for name in told} == told
    assert set(told) == set(dualstack._HOME)


def test_dir_lists_every_public_name() -> None:
    assert set(dualstack.__all__) <= set(dir(dualstack))


@pytest.mark.parametrize("name", dualstack.__all__)
def test_public_name_loads_and_says_what_it_is(name: str) -> None:
    value = getattr(dualstack, name)
    if name == "__version__":
        assert isinstance(value, str)
        return
    if inspect.ismodule(value) or inspect.isclass(value) or inspect.isroutine(value):
        assert inspect.getdoc(value), f"dualstack.{name} has no docstring"


@pytest.mark.parametrize("name", dualstack.__all__)
def test_public_methods_say_what_they_do(name: str) -> None:
    value = getattr(dualstack, name)
    if not inspect.isclass(value):
        return
    silent = []
    for attribute, member in vars(value).items():
        if attribute.startswith("_"):
            continue
        plain = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        if (inspect.isroutine(plain) or isinstance(plain, property)) and not inspect.getdoc(plain):
            silent.append(f"{name}.{attribute}")
    assert silent == []


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'listen_everywhere'"):
        dualstack.listen_everywhere  # noqa: B018 - reading it is the test


def test_module_all_is_a_tuple_of_names_that_exist(source) -> None:
    for node in source.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            assert isinstance(node.value, ast.Tuple), "a tuple cannot be appended to by accident"
            names = [ast.literal_eval(element) for element in node.value.elts]
            assert len(set(names)) == len(names)
            if source.unit in {"platforms", "aio"}:
                return  # may import what this system does not have
            dotted = "dualstack." + source.name.removesuffix(".py").replace("/", ".")
            try:
                module = import_module(dotted.removesuffix(".__init__"))
            except ModuleNotFoundError as error:
                if source.name not in NEEDS_A_LIBRARY:
                    raise
                pytest.skip(f"{error.name} is not installed; runs in the tox environment clients")
            assert [n for n in names if not hasattr(module, n)] == []


def test_version_is_written_once(root: Path) -> None:
    import configparser

    parser = configparser.ConfigParser()
    parser.read(root / "setup.cfg", encoding="utf-8")
    assert parser["metadata"]["version"] == "attr: dualstack.__version__"
