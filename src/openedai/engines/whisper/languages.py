"""The language of each window, and the tokenizer for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from openedai.contract.transcribe import TranscribeTask
from openedai.errors import InvalidRequest, Unsupported

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.tokenizer import Tokenizer

_ENGLISH = "en"
_OWN_CODES = {"jv": "jw"}  # where Whisper's differ from the standard's
_STANDARD_CODES = {own: code for code, own in _OWN_CODES.items()}


class LanguageChoice:
    """The languages of one request: those that it names, or the one of its first window."""

    def __init__(
        self, model: str, whisper: WhisperModel, named: Sequence[str], task: TranscribeTask
    ) -> None:
        """Raises InvalidRequest for a language, and Unsupported for a task, that the model
        lacks.
        """
        self._model = model
        self._whisper = whisper
        self._task = task
        self._named = tuple(dict.fromkeys(_OWN_CODES.get(code, code) for code in named))
        self._windows: dict[str, int] = {}
        multilingual = whisper.model.is_multilingual
        if not multilingual and task == "translate":
            raise Unsupported(
                f"The model `{model}` does not support translation: it understands English only.",
                code="unsupported_model",
                param="model",
            )
        for code in self._named:
            self._check(code, multilingual)
        self._fixed = _ENGLISH if not multilingual else None
        if len(self._named) == 1:
            self._fixed = self._named[0]
        self.tokenizer = self._tokenizer(self._fixed or _ENGLISH)

    @property
    def heard(self) -> tuple[str, ...]:
        """The languages of the windows so far, the most frequent first."""
        codes = sorted(self._windows, key=lambda code: -self._windows[code])
        return tuple(_STANDARD_CODES.get(code, code) for code in codes)

    def of_window(self, encoded: Any) -> Tokenizer:
        """The tokenizer for the language of a window.

        Without named languages, all windows have the language of the first one.
        """
        code = self._fixed or self._detect(encoded)
        if not self._named:
            self._fixed = code
        self._windows[code] = self._windows.get(code, 0) + 1
        if code != self.tokenizer.language_code:
            self.tokenizer = self._tokenizer(code)
        return self.tokenizer

    def tokens(self, text: str) -> list[int]:
        """The tokens of a text that precedes the audio, without special tokens."""
        if not text.strip():
            return []
        ids = self.tokenizer.encode(f" {text.strip()}")
        return [token for token in ids if token < self.tokenizer.eot]

    def _detect(self, encoded: Any) -> str:
        (scores,) = self._whisper.model.detect_language(encoded)
        codes: list[str] = [token[2:-2] for token, _ in scores]
        return next(code for code in codes if not self._named or code in self._named)

    def _check(self, code: str, multilingual: bool) -> None:
        known = self._whisper.hf_tokenizer.token_to_id(f"<|{code}|>") is not None
        if code == _ENGLISH or (known and multilingual):
            return
        reason = "does not know it" if multilingual else "understands English only"
        raise InvalidRequest(
            f"Invalid language '{code}': the model `{self._model}` {reason}.",
            code="invalid_value",
            param="language",
        )

    def _tokenizer(self, code: str) -> Tokenizer:
        from faster_whisper.tokenizer import Tokenizer

        multilingual = self._whisper.model.is_multilingual
        return Tokenizer(self._whisper.hf_tokenizer, multilingual, self._task, code)
