"""Grades as the API shows them."""

from __future__ import annotations

from typing import Any

from openedai.contract.generate import Usage
from openedai.serving.grading.graders import Grader, type_of
from openedai.serving.grading.grading import Grade

# The errors that a grade may have in the official API, and their details.
_ERRORS = (
    "formula_parse_error",
    "invalid_variable_error",
    "model_grader_parse_error",
    "model_grader_refusal_error",
    "model_grader_server_error",
    "other_error",
    "python_grader_runtime_error",
    "python_grader_server_error",
    "sample_parse_error",
    "truncated_observation_error",
    "unresponsive_reward_error",
)
_DETAILS = (
    "model_grader_server_error_details",
    "python_grader_runtime_error_details",
    "python_grader_server_error_type",
)


def grade_object(grader: Grader, grade: Grade, seconds: float) -> dict[str, Any]:
    usage = {model: _usage(tokens) for model, tokens in grade.usage.items()}
    return {
        "reward": grade.reward,
        "metadata": {
            "name": grader.name,
            "type": type_of(grader),
            "errors": {name: name == grade.failure for name in _ERRORS} | dict.fromkeys(_DETAILS),
            "execution_time": seconds,
            "scores": grade.scores,
            "token_usage": sum(one["total_tokens"] for one in usage.values()) if usage else None,
            "sampled_model_name": next(iter(usage), None),
        },
        "sub_rewards": grade.scores,
        "model_grader_token_usage_per_model": usage,
    }


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "cached_tokens": usage.cached_tokens,
    }
