"""Running a documented program as it stands, with the names it expects supplied from outside."""

import ast
import asyncio
import inspect
from pathlib import Path

PROGRAMS = Path(__file__).parent.parent / "programs"


def run(name, **names):
    """Runs a whole program and returns the names it leaves behind."""
    return _execute(PROGRAMS / f"{name}.py", _source(name), names)


def define(name, **names):
    """Runs a program up to its usage example and returns the names it leaves behind."""
    definitions, marker, _ = _source(name).partition("# Usage\n")
    assert marker, f"{name} has no usage example: run it whole"
    return _execute(PROGRAMS / f"{name}.py", definitions, names)


def _source(name):
    return (PROGRAMS / f"{name}.py").read_text()


def _execute(path, source, names):
    # Some programs await outside any function, as a notebook allows.
    code = compile(source, path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    namespace = {"__name__": path.stem, **names}
    result = eval(code, namespace)
    if inspect.iscoroutine(result):
        asyncio.run(result)
    return namespace
