"""Runs a query of the alerts on rows: a small part of KQL, on the tree that Kusto's language service parsed.

It knows `where` and `summarize ... by`, the operators and aggregates below, and fails on anything else.
As in KQL, `==` minds the case and `has`, `endswith` do not, and a summary without `by` has one row always.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

type Row = dict[str, Any]
type Node = dict[str, Any]

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "EqualExpression": lambda left, right: left == right,
    "NotEqualExpression": lambda left, right: left != right,
    "GreaterThanExpression": lambda left, right: left > right,
    "GreaterThanOrEqualExpression": lambda left, right: left >= right,
    "LessThanExpression": lambda left, right: left < right,
    "HasExpression": lambda left, right: bool(re.search(rf"(?<!\\w){re.escape(right)}(?!\\w)", left, re.I)),
    "EndsWithExpression": lambda left, right: left.lower().endswith(right.lower()),
    "NotEndsWithExpression": lambda left, right: not left.lower().endswith(right.lower()),
    "AndExpression": lambda left, right: left and right,
    "MultiplyExpression": lambda left, right: left * right,
}

_AGGREGATES: dict[str, Callable[[Iterable[Any]], Any]] = {"sum": sum, "min": min, "max": max}


def rows_of(tree: Node, tables: dict[str, list[Row]]) -> list[Row]:
    """The rows that a query gives on these tables."""
    return _pipe(_child(_child(tree, "List", last=True), "SeparatedElement", "ExpressionStatement"), tables)


def _pipe(statement: Node, tables: dict[str, list[Row]]) -> list[Row]:
    source, _, operator = _only(statement)["children"]
    rows = (
        tables[_name(source)] if source["kind"] == "NameReference" else _pipe({"children": [source]}, tables)
    )
    match operator["kind"]:
        case "FilterOperator":
            return [row for row in rows if _value(operator["children"][-1], row)]
        case "SummarizeOperator":
            return _summary(operator, rows)
    raise NotImplementedError(operator["kind"])


def _summary(operator: Node, rows: list[Row]) -> list[Row]:
    _, _, aggregates, *by = operator["children"]
    keys = _named(by[0]["children"][-1]) if by else {}
    groups: dict[tuple[Any, ...], list[Row]] = {} if by else {(): []}
    for row in rows:
        groups.setdefault(tuple(_value(key, row) for key in keys.values()), []).append(row)
    return [
        dict(zip(keys, group, strict=True))
        | {name: _aggregate(call, members) for name, call in _named(aggregates).items()}
        for group, members in groups.items()
    ]


def _aggregate(call: Node, rows: list[Row]) -> Any:
    function, arguments = _call(call)
    match function:
        case "count":
            return len(rows)
        case "sumif":
            return sum(_value(arguments[0], row) for row in rows if _value(arguments[1], row))
        case "dcount":
            return len({_value(arguments[0], row) for row in rows})
    return _AGGREGATES[function](_value(arguments[0], row) for row in rows)


def _value(node: Node, row: Row) -> Any:
    children = node.get("children", [])
    match node["kind"]:
        case "NameReference":
            return row[_name(node)]
        case "PathExpression":
            return row[_name(children[0])].get(_name(children[2]))
        case "FunctionCallExpression":
            function, (argument,) = _call(node)
            assert function == "tostring", function
            value = _value(argument, row)
            return "" if value is None else str(value)
        case "StringLiteralExpression":
            return children[0]["text"][1:-1]
        case "LongLiteralExpression":
            return int(children[0]["text"])
        case "InExpression":
            options = _elements(children[2]["children"][1])
            return _value(children[0], row) in [_value(option, row) for option in options]
    left, _, right = children
    return _COMPARISONS[node["kind"]](_value(left, row), _value(right, row))


def _named(elements: Node) -> dict[str, Node]:
    return {_name(one["children"][0]): one["children"][2] for one in _elements(elements)}


def _call(node: Node) -> tuple[str, list[Node]]:
    name, arguments = node["children"]
    return _name(name), _elements(arguments["children"][1])


def _elements(node: Node) -> list[Node]:
    return [element["children"][0] for element in node["children"]]


def _name(node: Node) -> str:
    text: str = node["text"] if "text" in node else _name(node["children"][0])
    return text


def _only(node: Node) -> Node:
    only: Node
    (only,) = node["children"]
    return only


def _child(node: Node, *kinds: str, last: bool = False) -> Node:
    for kind in kinds:
        found = [child for child in node["children"] if child["kind"] == kind]
        node = found[-1 if last else 0]
    return node
