"""Parse a bicep file as far as the offline checks need: its declarations and the names it refers to.

The grammar is tree-sitter-bicep. It does not know the types of resources, so a misspelt property is not
found.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_bicep.language()))
_DECLARATIONS = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "resource_declaration": "resource",
    "module_declaration": "module",
    "output_declaration": "output",
}


@dataclass(frozen=True)
class Declaration:
    """One declaration: its kind (param, var, resource, module, output), its name and its syntax node."""

    kind: str
    name: str
    node: Node

    @property
    def text(self) -> str:
        return _text(self.node)

    @property
    def of(self) -> str:
        """The type and version of a resource, or the file of a module."""
        return next(string_in(child) for child in self.node.children if child.type == "string")

    @property
    def has_default(self) -> bool:
        return any(child.type == "=" for child in self.node.children)

    def properties(self, *path: str) -> dict[str, Node]:
        """The properties of the declaration's body, or of the object at `path` in it, by name."""
        found = _properties(next(node for node in walk(self.node) if node.type == "object"))
        for name in path:
            found = _properties(found[name])
        return found


class BicepFile:
    """One parsed bicep file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = _PARSER.parse(path.read_bytes()).root_node

    @cached_property
    def declarations(self) -> list[Declaration]:
        return [
            Declaration(_DECLARATIONS[node.type], _text(_name_of(node)), node)
            for node in self.root.children
            if node.type in _DECLARATIONS
        ]

    def of_kind(self, kind: str) -> dict[str, Declaration]:
        """The declarations of a kind, by name."""
        return {one.name: one for one in self.declarations if one.kind == kind}

    def mistakes(self) -> list[str]:
        """Each syntax error, as file:line."""
        wrong = (node for node in walk(self.root) if node.type == "ERROR" or node.is_missing)
        return [f"{self.path.name}:{node.start_point.row + 1}" for node in wrong]

    def referred(self) -> set[str]:
        """Every name that an expression uses, loop variables included."""
        return {_text(node) for node in walk(self.root) if node.type == "identifier" and _is_reference(node)}

    def local_names(self) -> set[str]:
        """The variables of loops and lambdas."""
        return {_text(node) for node in walk(self.root) if _is_local(node)}


def walk(node: Node) -> Iterator[Node]:
    """A node and all its descendants."""
    yield node
    for child in node.children:
        yield from walk(child)


def string_in(node: Node) -> str:
    """The text of a string node, without its quotes."""
    return _text(node)[1:-1]


def strings_in(node: Node) -> list[str]:
    """Every string below a node that is not the name of a property."""
    return [string_in(one) for one in walk(node) if one.type == "string" and not _is_key(one)]


def _text(node: Node) -> str:
    return (node.text or b"").decode()


def _name_of(node: Node) -> Node:
    return next(child for child in node.children if child.type == "identifier")


def _properties(node: Node) -> dict[str, Node]:
    pairs = (child for child in node.children if child.type == "object_property")
    return {_text(pair.children[0]).strip("'"): pair.children[-1] for pair in pairs}


def _is_key(node: Node) -> bool:
    return bool(node.parent and node.parent.type == "object_property" and node.parent.children[0] == node)


def _is_reference(node: Node) -> bool:
    parent = node.parent
    if parent is None or _is_key(node) or _is_local(node):
        return False
    if parent.type in _DECLARATIONS:
        return node != _name_of(parent)
    return node != parent.child_by_field_name("function")


def _is_local(node: Node) -> bool:
    """Whether the node declares a variable of a loop or a lambda."""
    parent = node.parent
    if parent is None or node.type not in ("identifier", "loop_variable", "loop_enumerator"):
        return False
    is_first_of_lambda = parent.type == "lambda_expression" and node == parent.children[0]
    is_of_loop = node == parent.child_by_field_name("initializer") or node.type != "identifier"
    return is_first_of_lambda or is_of_loop
