"""Write docs/api.md from the docstrings; with --check, say what is stale or broken in any Markdown file.

Run ``python ci/docs.py`` after changing a public name or docstring. The check also follows every relative link
and anchor, and compiles every Python block (those of the README are run, in tests/architecture).
"""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from importlib import import_module, util
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
API = ROOT / "docs" / "api.md"
sys.path.insert(0, str(ROOT))

# The public modules beside the top level, in the order a reader meets them.
MODULES = ("aio", "shim", "check", "testing")
# The drop-ins, each a module of its own; what else is in dualstack/shim/ serves them and is nobody's to import.
SHIMS = ("socket", "netifaces", "servers", "forward", "requests", "urllib3", "httpx", "httpcore", "aiohttp")
# Adapters for other people's libraries, which need not be installed to write the page: it says the same everywhere.
NEEDS_A_LIBRARY = {f"dualstack.shim.{name}" for name in ("aiohttp", "httpcore", "httpx", "requests", "urllib3")}
HEAD = """\
# API reference

Written from the docstrings by `python ci/docs.py`; change them there. The [guide](guide.md) shows the same names
at work.
"""


def groups(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the comment and the names of each group of ``__all__`` in *path*."""
    with path.open("rb") as file:
        tokens = list(tokenize.tokenize(file.readline))
    start = next(i for i, t in enumerate(tokens) if t.string == "__all__" and tokens[i + 1].string == "=")
    title, names = "", []
    for token in tokens[start + 3 :]:
        if token.type == tokenize.COMMENT:
            if names:
                yield title, names
            title, names = token.string.lstrip("# "), []
        elif token.type == tokenize.STRING:
            names.append(ast.literal_eval(token.string))
        elif token.string == ")":
            break
    if names:
        yield title, names


def signature(value: object) -> str:
    """The call signature as source text, ``()`` when Python cannot tell."""
    try:
        text = str(inspect.signature(value))  # type: ignore[arg-type]  # ValueError and TypeError are caught
    except (TypeError, ValueError):
        return "()"
    text = re.sub(r"<[^<>]* at 0x[0-9a-f]+>", "...", text)  # a default that is an object of ours
    return re.sub(r"'([\w.\[\], |]+)'", r"\1", text)


def describe(name: str, value: object, level: str) -> Iterator[str]:
    """Yield the Markdown of one public object and its public members."""
    if inspect.isclass(value):
        yield f"{level} {name}"
        bases = [base.__name__ for base in value.__bases__ if base is not object]
        yield f"`class {name}{'(' + ', '.join(bases) + ')' if bases else ''}`"
        yield inspect.getdoc(value) or ""
        members = []
        for attribute, member in vars(value).items():
            if attribute.startswith("_"):
                continue
            plain = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
            doc = inspect.getdoc(plain)
            if isinstance(plain, property):
                members.append(f"- `{attribute}`: {_indented(doc)}")
            elif inspect.isroutine(plain) and doc and hasattr(plain, "__code__"):
                members.append(f"- `{attribute}{_bound(plain, member)}`: {_indented(doc)}")
        if members:
            yield "\n".join(members)
    elif callable(value):
        yield f"{level} {name}"
        yield f"```python\n{name}{signature(value)}\n```"
        yield inspect.getdoc(value) or ""


def _bound(plain: object, member: object) -> str:
    text = signature(plain)
    if isinstance(member, staticmethod):
        return text
    return re.sub(r"^\((self|cls)(, )?", "(", text)


def _indented(doc: str | None) -> str:
    first, _, rest = (doc or "").partition("\n")
    return first + ("\n" + "\n".join(f"  {line}".rstrip() for line in rest.splitlines()) if rest else "")


def api() -> str:
    """The whole page."""
    import dualstack

    parts = [HEAD]
    for title, names in groups(ROOT / "dualstack" / "__init__.py"):
        parts.append(f"## {title[:1].upper()}{title[1:]}")
        for name in names:
            if not name.startswith("__"):
                parts += describe(name, getattr(dualstack, name), "###")
    for module_name in _public_modules():
        if module_name in NEEDS_A_LIBRARY:
            parts.append(f"## {module_name}")
            parts += from_source(ROOT.joinpath(*module_name.split(".")).with_suffix(".py"), "###")
            continue
        module = import_module(module_name)
        parts.append(f"## {module_name}")
        parts.append(inspect.getdoc(module) or "")
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if getattr(value, "__module__", "").startswith("dualstack") and not _borrowed(value):
                parts += describe(name, value, "###")
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _borrowed(value: object) -> bool:
    """Whether *value* is a function of the standard library that runs under a name of ours."""
    code = getattr(value, "__code__", None)
    return code is not None and not Path(code.co_filename).is_relative_to(ROOT)


def from_source(path: Path, level: str) -> Iterator[str]:
    """Yield the Markdown of a module that is read, not imported: it needs a library that may be missing here."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield ast.get_docstring(tree) or ""
    there = {node.name: node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    for _, names in groups(path):
        for name in names:
            node = there[name]
            yield f"{level} {name}"
            if isinstance(node, ast.ClassDef):
                yield f"`class {name}({', '.join(ast.unparse(base) for base in node.bases)})`"
                made = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
                yield "\n".join(f"```python\n{name}{_written(n)}\n```" for n in made)
            else:
                yield f"```python\n{name}{_written(node)}\n```"
            yield ast.get_docstring(node) or ""


def _written(node: ast.FunctionDef) -> str:
    arguments = ast.unparse(node.args)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ""
    return f"({arguments.removeprefix('self, ')}){returns}"


def _public_modules() -> Iterator[str]:
    for name in MODULES:
        if util.find_spec(f"dualstack.{name}") is None:
            continue
        yield f"dualstack.{name}"
        if name == "shim":
            yield from (f"dualstack.shim.{one}" for one in SHIMS)


# ---------------------------------------------------------------------- the check


def slug(heading: str) -> str:
    """The anchor GitHub gives a heading."""
    text = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return text.replace(" ", "-")


def pages() -> list[Path]:
    """Every Markdown file that git tracks."""
    done = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = done.stdout.split("\n") if done.returncode == 0 else []
    return [ROOT / n for n in names if n] or [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


def check() -> list[str]:
    """Say what is wrong, one line each."""
    from markdown_it import MarkdownIt

    wrong = []
    if not API.exists() or API.read_text(encoding="utf-8") != api():
        wrong.append("docs/api.md is stale: run python ci/docs.py")
    parser = MarkdownIt("commonmark").enable("table")
    anchors: dict[Path, set[str]] = {}
    links: list[tuple[Path, int, str]] = []
    for page in pages():
        tokens = parser.parse(page.read_text(encoding="utf-8"))
        anchors[page] = set()
        for token, following in zip(tokens, [*tokens[1:], None], strict=True):
            line = (token.map or [0])[0] + 1
            if token.type == "heading_open" and following is not None:
                anchors[page].add(slug("".join(c.content for c in following.children or [])))
            if token.type == "fence" and token.info.strip() == "python":
                try:
                    compile(token.content, page.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
                except SyntaxError as error:
                    if page != API:  # signatures are not statements
                        wrong.append(f"{page.name}:{line + (error.lineno or 0)}: {error.msg}")
            for child in token.children or ():
                target = child.attrGet("href") or child.attrGet("src")
                if target:
                    links.append((page, line, str(target)))
    linked = {(page.parent / target.partition("#")[0]).resolve() for page, _, target in links}
    lost = [page for page in pages() if page.is_relative_to(API.parent) and page not in linked]
    wrong += [f"{page.relative_to(ROOT)}: no other page leads here" for page in lost]
    for page, line, target in links:
        if re.match(r"[a-z]+:", target):
            continue  # the web is not ours to check in a test
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists():
            wrong.append(f"{page.relative_to(ROOT)}:{line}: no file {target}")
        elif anchor and file in anchors and anchor not in anchors[file]:
            wrong.append(f"{page.relative_to(ROOT)}:{line}: no heading {target}")
    return wrong


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        wrong = check()
        print(*(wrong or [f"{len(pages())} pages: links, anchors, code blocks and the API page are right"]), sep="\n")
        return 1 if wrong else 0
    API.write_text(api(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
