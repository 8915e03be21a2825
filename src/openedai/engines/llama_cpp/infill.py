"""Prompts that ask for the text between a prefix and a suffix.

llama.cpp knows the tokens that models have for this, but its own endpoint silently cuts long
prefixes. So that endpoint is called once, to learn the layout of such a prompt, which is then used.
"""

from __future__ import annotations

from openedai.engines.llama_cpp.server.api import LlamaApi
from openedai.errors import EngineFailed, InvalidRequest, Unsupported

_PREFIX, _SUFFIX = "PREFIX", "SUFFIX"


class Infill:
    """Makes such prompts for one model."""

    def __init__(self, model: str, api: LlamaApi) -> None:
        self._model = model
        self._api = api
        self._layout: tuple[str, str, str] | None = None

    async def prompt(self, prefix: str, suffix: str) -> str:
        """Raises Unsupported if the model is not trained for it."""
        if self._layout is None:
            self._layout = await self._probe_layout()
        before, between, after = self._layout
        return f"{before}{prefix}{between}{suffix}{after}"

    async def _probe_layout(self) -> tuple[str, str, str]:
        body = {
            "input_prefix": _PREFIX,
            "input_suffix": _SUFFIX,
            "n_predict": 1,
            "response_fields": ["prompt"],
        }
        try:
            answer = await self._api.call("POST", "/infill", body, "suffix")
        except (InvalidRequest, EngineFailed) as error:
            raise Unsupported(
                f"The model `{self._model}` cannot fill in before a suffix: {error.message}",
                code="unsupported_parameter",
                param="suffix",
            ) from error
        head, _, rest = str(answer["prompt"]).partition(_PREFIX)
        between, _, after = rest.partition(_SUFFIX)
        return head.rpartition("\n")[2], between, after  # without the invented file names
