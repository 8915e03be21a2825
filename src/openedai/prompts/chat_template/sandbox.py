"""The Jinja environment of chat templates: a sandbox with the names that templates expect."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from types import BuiltinMethodType
from typing import Any, NoReturn

from jinja2 import ChainableUndefined, UndefinedError, nodes, pass_context, pass_eval_context
from jinja2.ext import Extension
from jinja2.filters import do_indent, do_join
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer
from markupsafe import escape

from openedai.prompts.chat_template import limits
from openedai.prompts.chat_template.limits import Budget

BUDGET = "budget of the rendering"
"""The variable of a rendering with its `Budget`. Templates cannot write this name."""

# Names of filters that templates cannot use either.
_EACH = "each value"
_CONCAT = "concatenated"

# The sizes of their results are given as numbers in the template.
_FILTERS_LEFT_OUT = ("batch", "center", "pprint", "slice", "urlize", "wordwrap", "xmlattr")
_METHODS_LEFT_OUT = ("center", "expandtabs", "ljust", "rjust", "translate", "zfill")
_DICT_NAMES = frozenset(dir(dict))
_DICT_METHODS = frozenset(("get", "items", "keys", "values"))
_BOUNDED_METHODS: dict[str, Callable[..., str]] = {"join": limits.join, "replace": limits.replace}


class RaisedByTemplate(Exception):
    """The template called `raise_exception` with this message."""


class Sandbox(ImmutableSandboxedEnvironment):
    """Templates can neither reach Python's internals, nor change values, nor load other templates.

    White space is treated as in the library transformers, for which templates are written.
    """

    intercepted_binops = frozenset({"+", "*", "**", "%"})
    concat = staticmethod(limits.concat)

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.loopcontrols", GenerationBlock],
            undefined=Missing,
            finalize=_written,
            cache_size=0,
        )
        self.binop_table |= {
            "+": limits.add,
            "*": limits.multiply,
            "**": limits.power,
            "%": limits.modulo,
        }
        for name in _FILTERS_LEFT_OUT:
            del self.filters[name]
        self.filters |= {
            _EACH: _each,
            _CONCAT: _concat,
            "e": _escape,
            "escape": _escape,
            "forceescape": _escape,
            "format": _format,
            "indent": _indent,
            "join": _join,
            "replace": _replace,
            "safe": _text,
            "string": _text,
            "sum": _sum,
            "tojson": _to_json,
        }
        del self.globals["lipsum"]
        self.globals |= {"raise_exception": _raise_exception, "strftime_now": _strftime_now}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, str) and attr in _METHODS_LEFT_OUT:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """As in the base class, but faster for dictionaries, which messages are."""
        if type(obj) is dict:
            if attribute in obj and attribute not in _DICT_NAMES:
                return obj[attribute]
            if attribute in _DICT_METHODS:
                return getattr(obj, attribute)
        return super().getattr(obj, attribute)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        wrapped = super().wrap_str_format(value)
        if wrapped is not None:
            limits.check_brace_format(value.__self__)
        return wrapped

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        context[BUDGET].step()
        if isinstance(obj, BuiltinMethodType) and isinstance(obj.__self__, str):
            bounded = _BOUNDED_METHODS.get(obj.__name__)
            if bounded is not None:
                return bounded(obj.__self__, *args)
        return super().call(context, obj, *args, **kwargs)

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        return super()._generate(_Bounder().visit(source), *args, **kwargs)


class Missing(ChainableUndefined):
    """A missing value: it also behaves like an empty text, as templates often assume."""

    def __add__(self, other: Any) -> Any:
        self._raise_if_unsafe()
        return other

    __radd__ = __add__

    def __str__(self) -> str:
        self._raise_if_unsafe()
        return ""

    def __getattr__(self, name: str) -> ChainableUndefined:
        self._raise_if_unsafe()
        return super().__getattr__(name)

    def _raise_if_unsafe(self) -> None:
        if self._undefined_exception is not UndefinedError:
            self._fail_with_undefined_error()


class GenerationBlock(Extension):
    """`{% generation %}`, which marks the model's own text for training; here only its contents
    count.
    """

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Bounder(NodeTransformer):
    """Adds limits to the loops and to every `~` in a template."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        self.generic_visit(node)
        node.iter = _filtered(node.iter, _EACH)  # type: ignore[arg-type]
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), _CONCAT)


def _filtered(node: nodes.Expr, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


@pass_context
def _each(context: Context, values: Iterable[Any] | None) -> Iterator[Any]:
    """The values; None counts as empty, because many templates loop over missing tools."""
    budget: Budget = context[BUDGET]
    return budget.each(() if values is None else values)


def _concat(values: list[Any]) -> str:
    return limits.concat(_text(value) for value in values)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(limits.printable(value))


@pass_context
def _written(context: Context, value: Any) -> str:
    text = _text(value)
    budget: Budget = context[BUDGET]
    budget.write(len(text))
    return text


def _escape(text: Any) -> str:
    return str(escape(_text(text)))


def _format(text: str, *args: Any, **kwargs: Any) -> str:
    limits.check_percent_format(text)
    return str(text % (limits.printable(kwargs) or limits.printable(args)))


def _indent(text: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    limits.check_width(len(width) if isinstance(width, str) else width)
    return do_indent(_text(text), width, first, blank)


@pass_eval_context
def _join(
    context: nodes.EvalContext, values: Iterable[Any], d: str = "", attribute: Any = None
) -> str:
    if attribute is not None:
        return str(do_join(context, values, d, attribute))
    return limits.join(_text(d), map(_text, values))


def _replace(text: Any, old: Any, new: Any, count: int | None = None) -> str:
    return limits.replace(_text(text), _text(old), _text(new), -1 if count is None else count)


def _sum(values: Iterable[Any], attribute: str | None = None, start: float = 0) -> Any:
    if attribute is not None:
        values = (value[attribute] for value in values)
    return sum(values, start + 0)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    limits.check_width(len(indent) if isinstance(indent, str) else indent)
    return json.dumps(
        limits.printable(value),
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
        default=_as_json,
    )


def _as_json(value: Any) -> list[Any] | None:
    """The value for JSON: results of filters become lists, and missing values null."""
    if isinstance(value, Missing):
        return None
    if isinstance(value, Iterator):
        return list(value)
    raise TypeError(f"a value of the type {type(value).__name__} has no JSON")


def _raise_exception(message: Any) -> NoReturn:
    raise RaisedByTemplate(_text(message))


def _strftime_now(date_format: str) -> str:
    limits.check_percent_format(date_format)
    return datetime.now().strftime(date_format)
