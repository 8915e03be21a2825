"""One chat template, which turns variables into a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openedai.prompts.chat_template.limits import SECONDS, Budget, LimitExceeded

# The special tokens besides `bos_token` and `eos_token`, which few templates use.
_OTHER_TOKENS = dict.fromkeys(
    ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token"), ""
)


class TemplateFailed(Exception):
    """The template cannot render these values. The message says why, without a full stop."""


class ConversationRefused(TemplateFailed):
    """The template refuses the conversation; the message is the template's own."""


class TooCostly(TemplateFailed):
    """The template needs too much time or memory."""


class JinjaTemplate:
    """A template. It can be rendered in several threads at once.

    `names` are the names of all variables in it.
    """

    def __init__(self, source: str, *, seconds: float = SECONDS) -> None:
        """`seconds` limit the processor time of a rendering. Raises ValueError for text that is not
        a Jinja template.
        """
        from jinja2 import TemplateSyntaxError, nodes

        from openedai.prompts.chat_template.sandbox import BUDGET, RaisedByTemplate, Sandbox

        self._seconds = seconds
        self._budget = BUDGET
        self._raised = RaisedByTemplate
        sandbox = Sandbox()
        try:
            tree = sandbox.parse(source)
            self.names = frozenset(node.name for node in tree.find_all(nodes.Name))
            self._template = sandbox.from_string(tree)
        except TemplateSyntaxError as error:
            reason = (error.message or "").rstrip(".")
            raise ValueError(f"{reason} (line {error.lineno})") from error
        # The last one is Python's: it compiles what Jinja has written.
        except (RecursionError, MemoryError, SyntaxError) as error:
            raise ValueError("its parts are nested too deeply") from error

    def render(self, variables: Mapping[str, Any]) -> str:
        """Raises ConversationRefused and TemplateFailed."""
        given = dict.fromkeys(_OTHER_TOKENS, "") | dict(variables)
        budget = {self._budget: Budget(self._seconds)}
        try:
            return self._template.render(given | budget)
        except self._raised as error:
            raise ConversationRefused(str(error)) from error
        except LimitExceeded as error:
            raise TooCostly(str(error)) from error
        except RecursionError as error:
            raise TemplateFailed("it calls itself too often") from error
        except Exception as error:  # a template can raise anything that Python can
            raise TemplateFailed(str(error).rstrip(".") or type(error).__name__) from error
