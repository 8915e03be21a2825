"""Every error a client can see. Raised anywhere, rendered once, by `openedai.http.respond`.

    APIError                      500
    ├── InvalidRequest            400  the request itself is wrong; `param` names the parameter
    │   ├── ContextLengthExceeded 400  the prompt does not fit the model's context
    │   ├── Unsupported           400  valid in the API, but not for this model or server
    │   │   └── NoVision          400  the model does not support images
    │   └── RequestTimeout        408  the body did not arrive in time
    ├── AuthenticationFailed      401  no key, or a wrong one
    ├── Forbidden                 403  a web page or host that may not use this server
    ├── NotFound                  404
    │   └── ModelNotFound         404
    ├── MethodNotAllowed          405
    ├── PayloadTooLarge           413
    ├── UnsupportedMediaType      415
    ├── RangeNotSatisfiable       416  a file has no such bytes
    ├── HeadersTooLarge           431
    ├── RateLimited               429  this caller has sent too many requests
    │   ├── TokensLimited         429  this caller has used too many tokens
    │   │   └── TooManyTokens     429  the request alone has more than the limit
    │   └── QuotaExceeded         429  the limit of a day or a month is reached
    ├── EngineFailed              500  the model failed while it worked on the request
    │   ├── EngineCrashed         500  its process died
    │   └── BadGateway            502  the upstream server gave a bad answer
    └── Unavailable               503  cannot be served now; retry later

The names, codes and messages follow the official API where it has them.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import ClassVar, Self

# Stands in a message for the name of the parameter that the error is about: engines know it by
# the official API's name, clients of another API by their own. A noncharacter of Unicode.
PARAM = "\ufdd0"

# The numbers of the OSErrors that mean that the disk is full.
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

# The most characters of a message, and of a parameter's name: a client may have sent it.
MAX_MESSAGE = 4096
MAX_PARAM = 512


class APIError(Exception):
    """An error that a client sees.

    `message` is for people, `code` and `param` for programs; `retry_after` is in seconds.
    `template` is the message as it was written, in which PARAM may stand for `param`. A client that
    retries by itself is told not to where an error is not `retryable`.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    retryable: ClassVar[bool] = True

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.template = _shortened(message, MAX_MESSAGE)
        self.code = code
        self.param = None if param is None else _shortened(param, MAX_PARAM)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.message

    @property
    def message(self) -> str:
        """The template, with the name of the parameter."""
        return self.template.replace(PARAM, self.param or "")

    def renamed(self, names: Mapping[str, str]) -> Self:
        """This error, about the parameter that `names` gives for `param`."""
        name = names.get(self.param or "")
        if name is None:
            return self
        error = self.__new__(type(self))  # subclasses are made from other arguments
        APIError.__init__(
            error, self.template, code=self.code, param=name, retry_after=self.retry_after
        )
        return error


class ContentMissing(APIError):
    """Bytes that are kept are not there."""

    def __init__(self) -> None:
        super().__init__("The content of this file is missing.")


class InvalidRequest(APIError):
    status = 400
    type = "invalid_request_error"


class ContextLengthExceeded(InvalidRequest):
    def __init__(self, message: str, *, param: str = "messages") -> None:
        super().__init__(message, code="context_length_exceeded", param=param)

    @classmethod
    def by_tokens(cls, limit: int, tokens: int, *, param: str = "messages") -> Self:
        """The prompt has `tokens` tokens by the model's own tokenizer, but only `limit` fit."""
        noun = {"messages": "messages", "input": "input"}.get(param, "prompt")
        return cls(
            f"This model's maximum context length is {limit} tokens. However, your {noun} "
            f"resulted in {tokens} tokens. Please reduce the length of the {noun}.",
            param=param,
        )

    @classmethod
    def of_pair(cls, index: int, limit: int) -> Self:
        """A document and its query together have more than the `limit` tokens that fit."""
        return cls(
            f"Document {index} and its query resulted in more than {limit} tokens, which is this "
            "model's maximum. Please shorten them, or allow them to be truncated.",
            param="documents",
        )


class Unsupported(InvalidRequest):
    pass


class NoVision(Unsupported):
    def __init__(self, model: str, *, param: str = "messages") -> None:
        super().__init__(
            "Invalid content type. image_url is only supported by certain models, and "
            f"`{model}` is not one of them.",
            code="unsupported_value",
            param=param,
        )


class RequestTimeout(InvalidRequest):
    status = 408


class AuthenticationFailed(InvalidRequest):
    status = 401


class Forbidden(InvalidRequest):
    status = 403


class NotFound(InvalidRequest):
    status = 404


class ModelNotFound(NotFound):
    """`advice` is a sentence that says how to get the model."""

    def __init__(self, model: str, *, param: str = "model", advice: str = "") -> None:
        missing = f"The model `{model}` does not exist or you do not have access to it."
        super().__init__(
            f"{missing} {advice}".rstrip(),
            code="model_not_found",
            param=param,
        )


class MethodNotAllowed(InvalidRequest):
    status = 405


class PayloadTooLarge(InvalidRequest):
    status = 413


class UnsupportedMediaType(InvalidRequest):
    status = 415


class RangeNotSatisfiable(InvalidRequest):
    status = 416

    def __init__(self, size: int) -> None:
        super().__init__(
            f"The file has {size} bytes: none of those that the header Range asks for.",
            code="range_not_satisfiable",
        )


class HeadersTooLarge(InvalidRequest):
    status = 431


class RateLimited(APIError):
    status = 429
    type = "requests"


class TokensLimited(RateLimited):
    type = "tokens"


class TooManyTokens(TokensLimited):
    retryable = False


class QuotaExceeded(RateLimited):
    type = "insufficient_quota"
    retryable = False


class EngineFailed(APIError):
    pass


class EngineCrashed(EngineFailed):
    def __init__(self, model: str) -> None:
        super().__init__(
            f"The process that runs the model `{model}` stopped unexpectedly. "
            "The request was not completed; the model is loaded again on the next one.",
            code="engine_crashed",
        )


class BadGateway(EngineFailed):
    status = 502


class Unavailable(APIError):
    status = 503


def _shortened(text: str, most: int) -> str:
    """The text with its middle left out if it is longer than `most` characters."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]} … {text[-half:]}"


def invalid_value(param: str, reason: str) -> InvalidRequest:
    """The error of a parameter whose value is not valid; `reason` has no full stop."""
    return InvalidRequest(f"Invalid '{param}': {reason}.", code="invalid_value", param=param)


def missing_parameter(param: str) -> InvalidRequest:
    """The error of a required parameter that is missing."""
    return InvalidRequest(
        f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param
    )
