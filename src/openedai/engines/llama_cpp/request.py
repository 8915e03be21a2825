"""Turns a request of the contract into a job of the loop, and a reader of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from openedai.contract.chat import Chat
from openedai.contract.generate import (
    Constraint,
    GenerateRequest,
    Grammar,
    Regex,
    Sampling,
    Text,
    Tokens,
)
from openedai.engines.llama_cpp.checking.checker import GrammarChecker
from openedai.engines.llama_cpp.checking.grammar import GrammarSpec
from openedai.engines.llama_cpp.native.grammars import Grammars, read_tokens
from openedai.engines.llama_cpp.native.images import Prompt
from openedai.engines.llama_cpp.native.model import Model
from openedai.engines.llama_cpp.native.restriction import Restriction
from openedai.engines.llama_cpp.native.sampler import Sampler, resolve_sampling
from openedai.engines.llama_cpp.options import LlamaOptions
from openedai.engines.llama_cpp.question_tree import EncodedQuestion, QuestionTree
from openedai.engines.llama_cpp.sequence import Job
from openedai.engines.llama_cpp.template import ChatTemplate, Rendered
from openedai.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    NoVision,
    Unsupported,
    invalid_value,
)
from openedai.prompts.contained import contained
from openedai.prompts.marked_chat import MarkedChat
from openedai.prompts.prompt_formats import PromptFormat
from openedai.prompts.reading.answer import AnswerReader, ChatReader
from openedai.prompts.reading.reasoning import REASONING_TAGS
from openedai.prompts.reading.tool_calls import CALL_OPENINGS
from openedai.prompts.tool_call_formats import strict_call_trigger

# Texts that some models have special tokens for, and that are part of an answer.
_SHOWN = [
    *REASONING_TAGS,
    *REASONING_TAGS.values(),
    *CALL_OPENINGS,
    "[ARGS]",
    "<｜tool▁sep｜>",
    "<｜tool▁call▁end｜>",
]


@dataclass(frozen=True)
class PreparedRequest:
    """The job and the reader of its answer. `RequestBuilder.constrain` adds the constraint for the
    `grammar` to the job; it begins at the `trigger`.

    `echo` is the text of the prompt where it is part of the answer. Where the job scores the
    prompt, the first `hidden` tokens of it are special ones that the client did not send.
    """

    job: Job
    reader: AnswerReader
    echo: str = ""
    hidden: int = 0
    grammar: GrammarSpec | None = None
    trigger: str | None = None


class RequestBuilder:
    """Makes requests for one model, checked against its vocabulary, context and template.

    `prompt_format` replaces a missing chat template; None where the model has its own. Its methods
    are blocking, and may be called in any thread.
    """

    def __init__(
        self,
        name: str,
        model: Model,
        options: LlamaOptions,
        prompt_format: PromptFormat | None,
    ) -> None:
        self._name = name
        self._model = model
        self.vocabulary = model.vocabulary
        self._projector = model.projector
        self._context = model.context_length
        self._defaults = options.sampling
        self._adapters = {
            one.name: (number, one.scale) for number, one in enumerate(options.adapters)
        }
        self._max_calls = options.max_tool_calls
        self.model_stops = None if prompt_format is None else prompt_format.stop
        source = model.chat_template() if prompt_format is None else prompt_format.template
        vocabulary = self.vocabulary
        self.template = ChatTemplate(
            name,
            source,
            bos_token=vocabulary.special_text(vocabulary.bos),
            eos_token=vocabulary.special_text(vocabulary.eos),
            adds_bos=vocabulary.adds_bos,
            adds_eos=vocabulary.adds_eos,
        )
        encoded = (self.vocabulary.tokenize(text, start=False) for text in _SHOWN)
        self._shown = frozenset(ids[0] for ids in encoded if len(ids) == 1)
        read = partial(read_tokens, model.library.c, vocabulary.pointer, self._shown)
        self._grammars = Grammars(read, reasoning=self.template.reasons)
        self._checker = GrammarChecker()

    def build(self, request: GenerateRequest) -> PreparedRequest:
        """Raises InvalidRequest and Unsupported for what the model cannot do."""
        if isinstance(request.prompt, Chat):
            return self._build_chat(request, request.prompt)
        hidden = 0
        match request.prompt:
            case Tokens(ids=ids):
                prompt = list(ids)
                for id in ids:
                    self.check_token(id, "prompt")
            case Text(text=text) if request.suffix is not None:
                prompt = self._infill(text, request.suffix)
            case Text(text=text):
                prompt = self.vocabulary.tokenize(text)
                hidden = len(self.vocabulary.tokenize(""))
        whole, prompt = prompt, self._last_tokens(request, prompt)
        dropped = len(whole) - len(prompt)
        echo = ""
        if request.echo and request.logprobs is None:
            echo = self.vocabulary.text(prompt)
            if isinstance(request.prompt, Text) and not dropped:
                echo = request.prompt.text
        job = self._job(request, Prompt(prompt or self._empty_prompt()), "prompt")
        grammar = None
        if request.constraint is not None:
            grammar = GrammarSpec(constraint=request.constraint)
            job.shown = self._shown
        job.scored = request.echo and request.logprobs is not None and bool(prompt)
        reader = AnswerReader(request.stop, keep_stop=request.ending.keep_stop)
        hidden = max(0, hidden - len(whole) + len(prompt))
        return PreparedRequest(job, reader, echo=echo, hidden=hidden, grammar=grammar)

    def constrain(self, prepared: PreparedRequest) -> None:
        """Constrain the job to the grammar. It may take seconds, for a grammar that is refused.

        Raises InvalidRequest.
        """
        spec = prepared.grammar
        if spec is not None:
            self._checker.start()
            self._grammars.prepare()
            prepared.job.constraint = self._grammars.compile(
                self._checker.lark(spec),
                param=_param(spec.constraint),
                trigger=prepared.trigger,
            )

    def has_adapter(self, name: str) -> bool:
        return name in self._adapters

    def add_adapter(self, name: str, number: int, scale: float) -> None:
        """Let requests name a further adapter of the model, which has this number there."""
        self._adapters[name] = (number, scale)

    def close(self) -> None:
        """End the process that checks grammars. May be called several times."""
        self._checker.close()

    def count(self, chat: Chat) -> int:
        """The number of tokens of the conversation as a prompt. Raises as `build` does."""
        return self._render(chat)[0].tokens

    def label_job(self, question: EncodedQuestion, variant: str | None) -> Job:
        """Score a question's labels. Raises ContextLengthExceeded."""
        job = self._scoring_job(len(question.prompt) + question.labels.depth, variant)
        job.prompt, job.labels = question.prompt, question.labels
        return job

    def tree_job(
        self, questions: Sequence[EncodedQuestion], variant: str | None
    ) -> tuple[Job, QuestionTree]:
        """Score the labels of several questions. Raises ContextLengthExceeded."""
        longest = max(len(one.prompt) + one.labels.depth for one in questions)
        job = self._scoring_job(longest, variant)
        tree = QuestionTree(self._model, questions)
        job.prompt, job.continuation = tree.shared, tree
        return job, tree

    def check_token(self, id: int, param: str) -> None:
        """Raise InvalidRequest if there is no such token."""
        size = self.vocabulary.size
        if not 0 <= id < size:
            raise InvalidRequest(
                f"There is no token {id}: the model's vocabulary has the ids 0 to {size - 1}.",
                code="invalid_value",
                param=param,
            )

    def _build_chat(self, request: GenerateRequest, chat: Chat) -> PreparedRequest:
        prompt, rendered = self._render(chat)
        prompt = self._last_part(request, prompt)
        if prompt.images and request.prompt_logprobs is not None:
            raise invalid_value("prompt_logprobs", "an image has none")
        job = self._job(request, prompt, "messages")
        grammar = self._wanted_grammar(request, chat, rendered)
        job.shown = self._shown
        reader = ChatReader(
            chat,
            request.stop,
            model_stops=() if request.ending.ignore_end else self.model_stops or (),
            keep_stop=request.ending.keep_stop,
            reasoning_open=rendered.reasoning_open,
            strip=self.model_stops is not None,
            max_calls=self._max_calls,
        )
        trigger = None
        if grammar is not None and grammar.from_call:
            trigger = strict_call_trigger(grammar.tools)
        return PreparedRequest(job, reader, grammar=grammar, trigger=trigger)

    def _render(self, chat: Chat) -> tuple[Prompt, Rendered]:
        """The prompt of a conversation, with its images."""
        chat = contained(chat, lambda: self.vocabulary.special_texts)
        if not any(message.images for message in chat.messages):
            rendered = self.template.render(chat)
            return Prompt(self.vocabulary.tokenize(rendered.prompt)), rendered
        if self._projector is None:
            raise NoVision(self._name)
        marked = MarkedChat(chat)
        rendered = self.template.render(marked.chat)
        return self._projector.prompt(marked.split(rendered.prompt), marked.images), rendered

    def _scoring_job(self, tokens: int, variant: str | None) -> Job:
        """A job without a prompt, for this many tokens. Raises ContextLengthExceeded."""
        request = GenerateRequest(
            prompt=Tokens(ids=()), sampling=Sampling(temperature=0.0), variant=variant
        )
        return self._job(request, Prompt([0] * tokens), "input")

    def _job(self, request: GenerateRequest, prompt: Prompt, param: str) -> Job:
        if prompt.tokens >= self._context:
            raise ContextLengthExceeded.by_tokens(self._context, prompt.tokens, param=param)
        if (adapter := self._adapters.get(request.variant or "")) is not None:
            self._model.adapter(adapter[0])
        ending = request.ending
        for token in ending.stop_tokens:
            self.check_token(token, "stop_token_ids")
        holds_back = ending.min_tokens > 0 or ending.ignore_end
        values = resolve_sampling(request.sampling, self._defaults, self.vocabulary.size)
        return Job(
            prompt.keys,
            Sampler(self._model, values, [key for key in prompt.keys if key >= 0]),
            max_tokens=request.max_tokens,
            ending=ending,
            ends=self.vocabulary.all_ends if holds_back else (),
            restriction=self._restriction(request.sampling),
            logprobs=request.logprobs,
            prompt_logprobs=request.prompt_logprobs,
            adapter=adapter,
            images=prompt.images,
        )

    def _restriction(self, sampling: Sampling) -> Restriction | None:
        for token in sampling.allowed_tokens:
            self.check_token(token, "allowed_token_ids")
        if not (sampling.allowed_tokens or sampling.bad_words):
            return None
        return Restriction(self.vocabulary, sampling.allowed_tokens, sampling.bad_words)

    def _last_part(self, request: GenerateRequest, prompt: Prompt) -> Prompt:
        """The part of a conversation that is used. Raises InvalidRequest for a conversation with
        images that is too long.
        """
        keys = self._last_tokens(request, prompt.keys)
        if prompt.images and len(keys) < len(prompt.keys):
            raise InvalidRequest(
                "A conversation with images cannot be truncated.",
                code="invalid_value",
                param="truncate_prompt_tokens",
            )
        return Prompt(keys, prompt.images)

    def _last_tokens(self, request: GenerateRequest, tokens: list[int]) -> list[int]:
        limit = request.prompt_limit
        if limit is None:
            return tokens
        return tokens[-(limit or max(1, self._context - max(1, request.max_tokens or 1))) :]

    def _wanted_grammar(
        self, request: GenerateRequest, chat: Chat, rendered: Rendered
    ) -> GrammarSpec | None:
        """The grammar of the whole answer, or only of the arguments of strict tools."""
        max_calls = self._max_calls if chat.parallel_calls else 1
        if chat.call_required or request.constraint is not None:
            reasoning = "maybe" if self.template.reasons else None
            return GrammarSpec(
                constraint=request.constraint,
                tools=chat.tools,
                required=chat.call_required,
                max_calls=max_calls,
                tool_call_format=rendered.tool_call_format,
                reasoning="open" if rendered.reasoning_open else reasoning,
            )
        strict = tuple(tool for tool in chat.tools if tool.strict)
        if not strict:
            return None
        return GrammarSpec(
            tools=strict, max_calls=self._max_calls if chat.parallel_calls else 1, from_call=True
        )

    def _infill(self, prefix: str, suffix: str) -> list[int]:
        """A prompt for the text between two others. Raises Unsupported if the model is not trained
        for it.
        """
        if any(token < 0 for token in self.vocabulary.infill):
            raise Unsupported(
                f"The model `{self._name}` cannot fill in before a suffix: it has no tokens for "
                "that.",
                code="unsupported_parameter",
                param="suffix",
            )
        before, between, after = self.vocabulary.infill
        start = self.vocabulary.tokenize("")
        first, last = (self.vocabulary.tokenize(text, start=False) for text in (prefix, suffix))
        return [*start, before, *first, between, *last, after]

    def _empty_prompt(self) -> list[int]:
        """A prompt needs at least one token: the one that texts begin with."""
        start = self.vocabulary.bos if self.vocabulary.bos is not None else self.vocabulary.eos
        return self.vocabulary.tokenize("") or [start or 0]


def _param(constraint: Constraint | None) -> str:
    """The parameter that the constraint of the whole answer comes from."""
    match constraint:
        case None:
            return "tools"
        case Grammar():
            return "grammar"
        case Regex():
            return "regex"
        case _:
            return "response_format"
