"""How the answers of responses are sampled, beyond the parameters of the official API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from openedai.api.parameters.generation.answer_formats import StructuredOutputs, only_constraint
from openedai.api.parameters.generation.sampling import SharedSamplingBody, stop_texts
from openedai.contract.generate import Constraint, Ending, LocalSampling, Sampling
from openedai.errors import invalid_value


class ResponseSampling(SharedSamplingBody):
    """Parameters that chat completions have too: those of Open Responses, of vLLM's responses, and
    this server's own.
    """

    of_other_servers: ClassVar[frozenset[str]] = frozenset(
        {
            "enable_thinking",
            "ignore_eos",
            "include_stop_str_in_output",
            "repetition_penalty",
            "structured_outputs",
        }
    )

    chat_template_kwargs: dict[str, Any] | None = None
    enable_thinking: bool | None = None
    ignore_eos: bool | None = None
    include_stop_str_in_output: bool | None = None
    repetition_penalty: float | None = Field(None, ge=0, le=10)
    structured_outputs: StructuredOutputs | None = None

    def check(self) -> None:
        super().check()
        if self.repetition_penalty is not None and self.repeat_penalty is not None:
            raise invalid_value(
                "repetition_penalty",
                "it is another name of 'repeat_penalty', which is set too",
            )

    def sampling(self) -> Sampling:
        theirs = LocalSampling(repeat_penalty=self.repetition_penalty)
        return self.shared_sampling(0, theirs)

    def stops(self) -> tuple[str, ...]:
        return stop_texts(self.stop)

    def ending(self) -> Ending:
        return Ending(
            ignore_end=bool(self.ignore_eos), keep_stop=bool(self.include_stop_str_in_output)
        )

    def constraints(self, text_format: Constraint | None) -> list[tuple[str, Constraint]]:
        """The constraints on the answer, with the names of the parameters. `text_format` is that of
        `text.format`.
        """
        found = self.grammars()
        if self.structured_outputs is not None:
            found += self.structured_outputs.constraints("structured_outputs")
        if text_format is not None:
            found.append(("text.format", text_format))
        return found

    def constraint(self, text_format: Constraint | None) -> Constraint | None:
        """What the answer must match. Raises InvalidRequest if there are several."""
        only = only_constraint(self.constraints(text_format))
        return None if only is None else only[1]

    def constraint_names(self, text_format: Constraint | None) -> Mapping[str, str]:
        """The parameter's name for each of the names by which engines refuse a constraint."""
        only = only_constraint(self.constraints(text_format))
        names = ("response_format", "grammar", "regex")
        return {} if only is None else dict.fromkeys(names, only[0])

    def template_arguments(self) -> dict[str, Any]:
        """Variables of the chat template."""
        named = {} if self.enable_thinking is None else {"enable_thinking": self.enable_thinking}
        return named | (self.chat_template_kwargs or {})
