"""The vocabulary and the chat template of a model, without its weights."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from openedai.engines.llama_cpp.native.library import Library
from openedai.engines.llama_cpp.native.model import Vocabulary
from openedai.engines.llama_cpp.template import ChatTemplate
from openedai.engines.llama_cpp.template_choice import choose_format
from openedai.errors import EngineFailed


class Words:
    """How a model writes: its tokens, the prompts of its conversations, and `ends`, the texts of
    which one ends each answer, the usual one first. A context manager; blocking.
    """

    def __init__(
        self,
        library: Library,
        name: str,
        path: Path,
        *,
        chat_template: str | None = None,
        prompt_format: str | None = None,
    ) -> None:
        """Raises EngineFailed."""
        self._c = library.c
        parameters = self._c.llama_model_default_params()
        parameters.vocab_only = True
        library.errors.clear()
        self._model: int | None = self._c.llama_model_load_from_file(bytes(path), parameters)
        if not self._model:
            raise EngineFailed(f"The model `{name}` could not be loaded: {library.failure()}.")
        self.vocabulary = Vocabulary(library, self._model)
        found = choose_format(name, path, chat_template=chat_template, prompt_format=prompt_format)
        source: bytes | None = self._c.llama_model_chat_template(self._model, None)
        vocabulary = self.vocabulary
        self.template = ChatTemplate(
            name,
            (source or b"").decode("utf-8", "replace") if found is None else found.template,
            bos_token=vocabulary.special_text(vocabulary.bos),
            eos_token=vocabulary.special_text(vocabulary.eos),
            adds_bos=vocabulary.adds_bos,
            adds_eos=vocabulary.adds_eos,
        )
        texts = map(vocabulary.special_text, (vocabulary.eos, *vocabulary.all_ends))
        stops = () if found is None else found.stop
        self.ends = tuple(dict.fromkeys(text for text in (*texts, *stops) if text))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._c.llama_model_free(self._model)
        self._model = None
