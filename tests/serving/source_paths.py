"""What code can come to, read from its source: which functions an answer may call, and which texts it hands to a call."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: The rooms that are read.
ROOMS = ("serving.cases", "serving.review")

#: A function, a class or a value of a module, by the module's whole name and its own.
Place = tuple[str, str]


@dataclass(frozen=True)
class Module:
    """One file: what stands at its top by name, and what its imports call things."""

    tops: dict[str, ast.stmt]
    modules: dict[str, str]
    names: dict[str, Place]


@cache
def modules() -> dict[str, Module]:
    found = {}
    for room in ROOMS:
        for path in sorted((ROOT / room.replace(".", "/")).glob("*.py")):
            found[f"{room}.{path.stem}"] = _read(path)
    return found


def _read(path: Path) -> Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known = {f"{room}.{one.stem}" for room in ROOMS for one in (ROOT / room.replace(".", "/")).glob("*.py")}
    tops: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            tops[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                tops |= {one.id: node for one in ast.walk(target) if isinstance(one, ast.Name)}
    imports, names = {}, {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                whole, called = f"{node.module}.{one.name}", one.asname or one.name
                if whole in known:
                    imports[called] = whole
                elif node.module in known:
                    names[called] = (node.module, one.name)
    return Module(tops, imports, names)


def _named(module: str, node: ast.AST) -> Place | None:
    """Return what a name or an attribute of a module stands for, None where it is not of these rooms."""
    here = modules()[module]
    if isinstance(node, ast.Name):
        return (module, node.id) if node.id in here.tops else here.names.get(node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in here.modules:
        return here.modules[node.value.id], node.attr
    return None


def reached(*begin: Place) -> frozenset[Place]:
    """Return everything that some functions name, and what that names in turn: whatever they may call is among it."""
    found: set[Place] = set()
    left = list(begin)
    while left:
        place = left.pop()
        top = modules()[place[0]].tops.get(place[1]) if place[0] in modules() else None
        if place in found or top is None:
            continue
        found.add(place)
        left += _names(place)
    return frozenset(found)


@cache
def _names(place: Place) -> tuple[Place, ...]:
    nodes = ast.walk(modules()[place[0]].tops[place[1]])
    return tuple({named for node in nodes if (named := _named(place[0], node))})


def texts(places: frozenset[Place], called: str, at: int, keyword: str) -> dict[str, set[str]]:
    """Return every text that is handed to a call at a place, and where: through functions that pass on what they are given.

    Raises AssertionError for a text that cannot be read from the source.
    """
    found: dict[str, set[str]] = {}
    for place in places:
        for call in _calls(place):
            if _name(call.func) == called and (given := _argument(call, at, keyword)) is not None:
                for text in _told(places, place, given):
                    found.setdefault(text, set()).add(f"{place[0]}.{place[1]}")
    return found


@cache
def _calls(place: Place) -> tuple[ast.Call, ...]:
    return tuple(node for node in ast.walk(modules()[place[0]].tops[place[1]]) if isinstance(node, ast.Call))


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _argument(call: ast.Call, at: int, keyword: str) -> ast.expr | None:
    if len(call.args) > at:
        return call.args[at]
    return next((one.value for one in call.keywords if one.arg == keyword), None)


def _told(places: frozenset[Place], place: Place, given: ast.expr) -> Iterator[str]:
    module, top = modules()[place[0]], modules()[place[0]].tops[place[1]]
    match given:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=one, orelse=other):
            yield from _told(places, place, one)
            yield from _told(places, place, other)
        case ast.Subscript(value=ast.Name(id=name)):
            made = getattr(module.tops.get(name), "value", None)
            assert isinstance(made, ast.Dict), f"{place}: {name} cannot be read from the source"
            for value in made.values:
                yield from _told(places, place, value)
        case ast.Attribute(attr="code"):
            return  # of a problem that was made elsewhere
        case ast.Name(id=name):
            assert isinstance(top, ast.FunctionDef), ast.unparse(given)
            order = [one.arg for one in (*top.args.posonlyargs, *top.args.args)]
            assert name in order, f"{place}: {name} cannot be read from the source"
            for other in places:
                for call in _calls(other):
                    if _named(other[0], call.func) == place:
                        told = _argument(call, order.index(name), name)
                        assert told is not None, ast.unparse(call)
                        yield from _told(places, other, told)
        case _:
            raise AssertionError(f"{place}: {ast.unparse(given)} cannot be read from the source")
