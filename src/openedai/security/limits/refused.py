"""The refusal of a request as an error, in the words of the official API."""

from __future__ import annotations

from openedai.errors import QuotaExceeded, RateLimited, TokensLimited, TooManyTokens
from openedai.http.rate_limits import shown_duration
from openedai.security.limits.scopes import Refusal

_CODE = "rate_limit_exceeded"


def refused(model: str, refusal: Refusal) -> RateLimited:
    """The error for the client. Client programs parse the words "Please try again in"."""
    limit = f"{refusal.words}: Limit {refusal.limit}"
    numbers = f"{limit}, Used {refusal.used}, Requested {refusal.requested}"
    wait = shown_duration(refusal.wait)
    seconds = refusal.wait / 1000
    if refusal.reason == "quota":
        return QuotaExceeded(
            f"You exceeded your current quota for {model} on {numbers}. It is renewed in {wait}.",
            code="insufficient_quota",
            retry_after=seconds,
        )
    if refusal.reason == "size":
        return TooManyTokens(
            f"Request too large for {model} on {limit}, Requested {refusal.requested}. The input "
            "or output tokens must be reduced in order to run successfully.",
            code=_CODE,
        )
    kind = TokensLimited if refusal.measure == "tokens" else RateLimited
    return kind(
        f"Rate limit reached for {model} on {numbers}. Please try again in {wait}.",
        code=_CODE,
        retry_after=seconds,
    )
