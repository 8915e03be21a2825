"""The programs that `openedai launch` can start, and how each is told about the server.

Their own settings are not changed: they are told through arguments, variables, and files in a
folder of ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_PLACE = re.compile(r"\{(url|key|model|folder)\}")


@dataclass(frozen=True)
class Server:
    """`url` has no `/v1` and no slash at its end."""

    url: str
    key: str
    model: str


@dataclass(frozen=True)
class Program:
    """One client. All texts but `install` and `note` may have `{url}`, `{key}`, `{model}`, and
    `{folder}`: a folder with `files`, whose contents are written by name.

    `arguments` come before those of the user; `alone` is added if the user gives none. `agent`
    means that its instructions and tools need a large context.
    """

    command: str
    install: str
    arguments: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)
    agent: bool = False

    def filled(self, server: Server, folder: str) -> Program:
        """The same program, filled in for a server."""
        values = {"url": server.url, "key": server.key, "model": server.model, "folder": folder}
        return Program(
            command=self.command,
            install=self.install,
            arguments=tuple(_fill(one, values) for one in self.arguments),
            alone=tuple(_fill(one, values) for one in self.alone),
            environment={name: _fill(text, values) for name, text in self.environment.items()},
            files={name: _filled(content, values) for name, content in self.files.items()},
            agent=self.agent,
        )


def _filled(content: Any, values: Mapping[str, str]) -> Any:
    """Fill in the texts of a JSON value, names included."""
    if isinstance(content, Mapping):
        return {_fill(name, values): _filled(one, values) for name, one in content.items()}
    if isinstance(content, list):
        return [_filled(one, values) for one in content]
    return _fill(content, values) if isinstance(content, str) else content


def _fill(text: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda found: values[found[1]], text)


_OPENAI = {"OPENAI_BASE_URL": "{url}/v1", "OPENAI_API_KEY": "{key}"}
_CODEX = "model_providers.openedai"

# The variables that other clients read.
VARIABLES = {
    **_OPENAI,
    "OPENAI_API_BASE": "{url}/v1",
    "OPENAI_MODEL": "{model}",
    "ANTHROPIC_BASE_URL": "{url}",
    "ANTHROPIC_AUTH_TOKEN": "{key}",
    "OLLAMA_HOST": "{url}",
}

PROGRAMS: dict[str, Program] = {
    "aider": Program(
        command="aider",
        install="pip install aider-install && aider-install",
        arguments=("--model", "openai/{model}", "--no-show-model-warnings"),
        environment={**_OPENAI, "OPENAI_API_BASE": "{url}/v1"},
        agent=True,
    ),
    "claude": Program(
        command="claude",
        install="npm install -g @anthropic-ai/claude-code",
        environment={
            "ANTHROPIC_BASE_URL": "{url}",
            "ANTHROPIC_AUTH_TOKEN": "{key}",
            "ANTHROPIC_MODEL": "{model}",
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": "{model}",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        },
        agent=True,
    ),
    "codex": Program(
        command="codex",
        install="npm install -g @openai/codex",
        arguments=(
            *("-c", 'model_provider="openedai"'),
            *("-c", f'{_CODEX}.name="OpenedAI"'),
            *("-c", f'{_CODEX}.base_url="{{url}}/v1"'),
            *("-c", f'{_CODEX}.env_key="OPENAI_API_KEY"'),
            *("-c", f'{_CODEX}.wire_api="responses"'),
            *("-c", 'model="{model}"'),
        ),
        environment={"OPENAI_API_KEY": "{key}"},
        agent=True,
    ),
    "continue": Program(
        command="cn",
        install="npm install -g @continuedev/cli",
        arguments=("--config", "{folder}/config.yaml"),
        files={
            "config.yaml": {  # JSON is YAML
                "name": "OpenedAI",
                "version": "1.0.0",
                "schema": "v1",
                "models": [
                    {
                        "name": "{model}",
                        "provider": "openai",
                        "model": "{model}",
                        "apiBase": "{url}/v1",
                        "apiKey": "{key}",
                        "roles": ["chat", "edit", "apply"],
                    }
                ],
            }
        },
        agent=True,
    ),
    "llm": Program(
        command="llm",
        install="pip install llm",
        alone=("chat", "-m", "{model}"),
        environment={"LLM_USER_PATH": "{folder}", "LLM_MODEL": "{model}"},
        files={
            "extra-openai-models.yaml": [
                {
                    "model_id": "{model}",
                    "model_name": "{model}",
                    "api_base": "{url}/v1",
                    "api_key_name": "openedai",
                    "supports_schema": True,
                    "supports_tools": True,
                }
            ],
            "keys.json": {"openedai": "{key}"},
        },
    ),
    "open-webui": Program(
        command="open-webui",
        install="pip install open-webui",
        alone=("serve",),
        environment={
            "OPENAI_API_BASE_URL": "{url}/v1",
            "OPENAI_API_KEY": "{key}",
            "ENABLE_OLLAMA_API": "false",
            "ENABLE_PERSISTENT_CONFIG": "false",
            "DEFAULT_MODELS": "{model}",
        },
    ),
    "opencode": Program(
        command="opencode",
        install="npm install -g opencode-ai",
        environment={"OPENCODE_CONFIG": "{folder}/opencode.json"},
        files={
            "opencode.json": {
                "model": "openedai/{model}",
                "small_model": "openedai/{model}",
                "provider": {
                    "openedai": {
                        "npm": "@ai-sdk/openai-compatible",
                        "name": "OpenedAI",
                        "options": {"baseURL": "{url}/v1", "apiKey": "{key}"},
                        "models": {"{model}": {}},
                    }
                },
            }
        },
        agent=True,
    ),
    "shell-gpt": Program(
        command="sgpt",
        install="pip install 'shell-gpt>=1.5' click",
        alone=("--repl", "temp"),
        environment={
            "API_BASE_URL": "{url}/v1",
            "OPENAI_API_HOST": "{url}",  # what 1.0 reads, which pip installs beside openai 3
            "OPENAI_API_KEY": "{key}",
            "DEFAULT_MODEL": "{model}",
            "USE_LITELLM": "false",
        },
    ),
}


def text_of(content: Any) -> str:
    """A file's content as JSON."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
