"""Reads templates as a type checker would: what each asks of its page, and which phrases it says with which values."""

from __future__ import annotations

from dataclasses import dataclass, field, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from jinja2 import nodes

from serving.pages.contexts import NAMED
from serving.pages.render import Pages
from serving.pages.words import Words

#: What is given to every template beside its page.
GIVEN = frozenset({"lang", "direction", "t", "named", "near", "listed", "at", "here", "self"})


def hints(kind: type) -> dict[str, Any]:
    """Return the types of a context's fields without their help."""
    return get_type_hints(kind)


def helps(kind: type) -> dict[str, str]:
    """Return the help of a context's fields; empty where there is none."""
    return {name: next((one for one in get_args(hint)[1:] if isinstance(one, str)), "") if get_origin(hint) is Annotated else ""
            for name, hint in get_type_hints(kind, include_extras=True).items()}  # fmt: skip


def parts_of(kind: Any) -> set[type]:
    """Return a context and every dataclass that it is made of."""
    if is_dataclass(kind):
        assert isinstance(kind, type)
        return {kind}.union(*(parts_of(one) for one in hints(kind).values()))
    return set().union(*(parts_of(one) for one in get_args(kind)))


@dataclass(frozen=True)
class Constant:
    """A value that stands in the template itself."""

    value: object


@dataclass
class Reading:
    """What the templates of a page were found to use, and what is wrong with them."""

    pages: Pages
    used: set[tuple[type, str]] = field(default_factory=set)
    said: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    macros: dict[str, nodes.Macro] = field(default_factory=dict)

    @property
    def words(self) -> Words:
        return self.pages.words

    def template(self, name: str, page: type) -> None:
        """Read a template and those that it extends or imports from."""
        self._all(self._parsed(name).body, {"page": page, "none": None})

    def _parsed(self, name: str) -> nodes.Template:
        environment = self.pages._environment
        assert environment.loader is not None
        return environment.parse(environment.loader.get_source(environment, name)[0])

    def _all(self, found: list[nodes.Node], known: dict[str, Any]) -> None:
        for node in found:
            self._read(node, known)

    def _read(self, node: nodes.Node, known: dict[str, Any]) -> None:
        match node:
            case nodes.Extends(template=nodes.Const(value=name)):
                self._all(self._parsed(name).body, known)
            case nodes.FromImport(template=nodes.Const(value=name)):
                for macro in self._parsed(name).find_all(nodes.Macro):
                    self.macros[macro.name] = macro
            case nodes.For():
                inside = known | {node.target.name: _element(self._kind(node.iter, known))}
                self._all(node.body, inside)
                self._all(node.else_, known)
            case nodes.Assign():
                known[node.target.name] = self._kind(node.node, known)
            case nodes.Expr():
                self._kind(node, known)
            case _:
                self._all(list(node.iter_child_nodes()), known)

    def _kind(self, node: nodes.Expr, known: dict[str, Any]) -> Any:  # noqa: PLR0911 (one case per kind of expression)
        """Return the type of an expression, as far as a template can use it."""
        match node:
            case nodes.Const():
                return Constant(node.value)
            case nodes.Name():
                if node.name not in known and node.name not in GIVEN and node.name not in self.macros:
                    self.faults.append(f"line {node.lineno}: nothing is called {node.name}")
                return known.get(node.name)
            case nodes.Tuple():
                return tuple[Literal[tuple(one.as_const() for one in node.items)], ...]  # type: ignore[misc]
            case nodes.Getattr():
                return self._attribute(node, known)
            case nodes.Call():
                return self._called(node, known)
            case nodes.CondExpr():
                kinds = [self._kind(one, known) for one in (node.test, node.expr1, node.expr2) if one is not None]
                return kinds[1] or kinds[-1]
        for one in node.iter_child_nodes():
            self._kind(one, known)
        return None

    def _attribute(self, node: nodes.Getattr, known: dict[str, Any]) -> Any:
        of = _known(self._kind(node.node, known))
        if isinstance(node.node, nodes.Name) and node.node.name == "self":
            return None
        if not is_dataclass(of) or node.attr not in hints(of):
            self.faults.append(f"line {node.lineno}: {of} has no {node.attr}")
            return None
        self.used.add((of, node.attr))
        return hints(of)[node.attr]

    def _called(self, node: nodes.Call, known: dict[str, Any]) -> Any:
        kinds = [self._kind(one, known) for one in node.args]
        given = {one.key for one in node.kwargs}
        for one in node.kwargs:
            self._kind(one.value, known)
        name = node.node.name if isinstance(node.node, nodes.Name) else ""
        if name == "t":
            self._phrase(node, [kinds[0].value], given)
        elif name == "named":
            group, of = kinds[0].value, _known(kinds[1])
            if not set(get_args(of)) or not set(get_args(of)) <= set(NAMED[group]):
                self.faults.append(f"line {node.lineno}: {of} are not names of {group}")
            self._phrase(node, [f"{group}.{one}" for one in NAMED[group]], given)
        elif name in self.macros:
            macro = self.macros[name]
            self._all(macro.body, dict(zip([one.name for one in macro.args], kinds, strict=True)))
        elif name not in GIVEN:
            self._kind(node.node, known)
        return None

    def _phrase(self, node: nodes.Call, keys: list[str], given: set[str]) -> None:
        """Note phrases that are said, and hold the values that they are given to those that they take."""
        self.said.update(keys)
        missing = [key for key in keys if key not in self.words.phrases]
        taken = set().union(*(self.words.phrases[key].names for key in keys if key not in missing))
        if missing or taken != given:
            wanted = f"takes {sorted(taken)} and is given {sorted(given)}"
            self.faults.append(f"line {node.lineno}: {keys[0]} {wanted}, missing {missing}")


def _known(kind: Any) -> Any:
    """Return what a type is where it is not None."""
    if get_origin(kind) in (Union, UnionType):
        return next(one for one in get_args(kind) if one is not NoneType)
    return kind


def _element(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is tuple else None
