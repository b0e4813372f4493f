"""Settings: command line over configuration file over defaults.

``[dualstack.check]`` in setup.cfg or tox.ini, ``[tool.dualstack.check]`` in pyproject.toml; the first file
found from the working folder upwards that has the section counts. Keys are those of the command line, with
``-`` or ``_``: select, ignore, per-file-ignores, exclude, extend-exclude, strict, baseline, jobs, cache,
cache-dir, respect-gitignore.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from .ignore import DEFAULT_EXCLUDES, Excludes
from .model import NOT_CHECKED, Finding

__all__ = ("Config", "ConfigError", "load", "split_list")

_CODE = re.compile(r"DST\d{0,3}$")


class ConfigError(Exception):
    """A setting that cannot be obeyed; the message names file and key."""


class Config(NamedTuple):
    """All settings of a run. ``root`` is where the configuration file is, else the working folder."""

    root: str = "."
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    exclude: tuple[str, ...] = DEFAULT_EXCLUDES
    strict: bool = False
    baseline: str | None = None
    jobs: int = 0  # 0: as many as pay off
    cache: bool = True
    cache_dir: str = ".dualstack-check-cache"
    respect_gitignore: bool = True

    def shows(self, finding: Finding) -> bool:
        """Whether this finding is reported under these settings."""
        code = finding.code
        if code == NOT_CHECKED:
            return True
        if self.select and not code.startswith(self.select):
            return False
        if finding.strict and not self.strict and code not in self.select:
            return False
        if self.ignore and code.startswith(self.ignore):
            # the longer of the two prefixes wins: --select DST401 --ignore DST4
            chosen = max((len(s) for s in self.select if code.startswith(s)), default=0)
            if max(len(i) for i in self.ignore if code.startswith(i)) >= chosen:
                return False
        return not code.startswith(_ignored_in(self.per_file_ignores, self.root, finding.path) or ("-",))


@lru_cache(maxsize=4096)
def _ignored_in(rows: tuple[tuple[str, tuple[str, ...]], ...], root: str, path: str) -> tuple[str, ...]:
    """The codes that per-file-ignores switches off in *path*."""
    return tuple(code for pattern, listed in rows if _matches(path, pattern, root) for code in listed)


def _matches(path: str, pattern: str, root: str) -> bool:
    """The pattern names the file, or a folder above it."""
    matcher = Excludes([pattern.removesuffix("/**").removesuffix("/*") if "/" in pattern else pattern], root)
    current = path
    while current and current not in (os.sep, os.curdir):
        if matcher.match(current):
            return True
        parent = os.path.dirname(current)
        if parent == current:
            break
        current = parent
    return False


def split_list(value: str) -> tuple[str, ...]:
    """Words separated by commas, blanks or line ends; ``#`` begins a comment."""
    words = []
    for line in value.splitlines():
        words += re.split(r"[,\s]+", line.partition("#")[0].strip())
    return tuple(word for word in words if word)


def load(start: str, explicit: str | None = None) -> Config:
    """The settings of the configuration file; defaults when there is none."""
    if explicit is not None:
        if not os.path.isfile(explicit):
            raise ConfigError(f"{explicit}: no such file")
        values = _section(explicit)
        if values is None:
            raise ConfigError(f"{explicit} has no section for dualstack check")
        return _apply(Config(root=os.path.dirname(os.path.abspath(explicit))), values, explicit)
    folder = os.path.abspath(start)
    while True:
        for name in ("setup.cfg", "tox.ini", "pyproject.toml"):
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                values = _section(path)
                if values is not None:
                    return _apply(Config(root=folder), values, path)
        parent = os.path.dirname(folder)
        if parent == folder or os.path.exists(os.path.join(folder, ".git")):
            return Config(root=os.path.abspath(start))
        folder = parent


def _section(path: str) -> Mapping[str, Any] | None:
    if path.endswith(".toml"):
        return _toml_section(path)
    import configparser

    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their spelling; the documented way
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    for section in ("dualstack.check", "dualstack:check"):
        if parser.has_section(section):
            return dict(parser.items(section))
    return None


def _toml_section(path: str) -> Mapping[str, Any] | None:
    with open(path, "rb") as handle:
        data = handle.read()
    if b"tool.dualstack" not in data:
        return None
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError:
            raise ConfigError(f"{path}: Python 3.10 reads no TOML; install tomli or use setup.cfg") from None
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    section = document.get("tool", {}).get("dualstack", {}).get("check")
    return section if isinstance(section, dict) else None


def _apply(config: Config, values: Mapping[str, Any], where: str) -> Config:
    changes: dict[str, Any] = {}
    for raw_key, value in values.items():
        key = raw_key.replace("-", "_")
        if key in ("select", "ignore"):
            changes[key] = codes(_words(value), f"{where}: {raw_key}")
        elif key == "exclude":
            changes["exclude"] = _words(value)
        elif key == "extend_exclude":
            changes["exclude"] = (*changes.get("exclude", config.exclude), *_words(value))
        elif key == "per_file_ignores":
            changes[key] = per_file(value, f"{where}: {raw_key}")
        elif key in ("strict", "cache", "respect_gitignore"):
            changes[key] = _truth(value, f"{where}: {raw_key}")
        elif key in ("baseline", "cache_dir"):
            changes[key] = os.path.join(config.root, str(value))
        elif key == "jobs":
            try:
                changes[key] = int(value)
            except (TypeError, ValueError):
                raise ConfigError(f"{where}: {raw_key} is not a number: {value!r}") from None
        else:
            raise ConfigError(f"{where}: unknown key {raw_key!r}")
    return config._replace(**changes)


def _words(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, (list, tuple)) else split_list(str(value))


def codes(words: Iterable[str], where: str) -> tuple[str, ...]:
    """Codes or prefixes of codes, checked."""
    found = tuple(word.upper() for word in words)
    for word in found:
        if not _CODE.match(word):
            raise ConfigError(f"{where}: {word!r} is no code; write DST101, a group such as DST1, or DST")
    return found


def per_file(value: object, where: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """``tests/*: DST5, DST101`` lines, ``PATTERN:CODE`` words, or a table of lists."""
    if isinstance(value, Mapping):
        return tuple((str(pattern), codes(_words(listed), where)) for pattern, listed in value.items())
    rows: list[tuple[str, tuple[str, ...]]] = []
    text = "\n".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    for pattern, listed in re.findall(r"([^\s:,]+)\s*:\s*((?:DST\d*[,\s]*)+)", text, re.IGNORECASE):
        rows.append((pattern, codes(split_list(listed), where)))
    if text.strip() and not rows:
        raise ConfigError(f"{where}: write PATTERN:CODE, not {text.strip()!r}")
    return tuple(rows)


def _truth(value: object, where: str) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    raise ConfigError(f"{where}: not true or false: {value!r}")
