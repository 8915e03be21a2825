"""instructor: answers as pydantic models, by each of its ways of asking for them."""

import json
from importlib.metadata import version

import instructor
from openai import OpenAI
from pydantic import BaseModel


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    sunny: bool


def asked(mode: instructor.Mode, **options) -> dict:
    client = instructor.from_openai(OpenAI(), mode=mode)
    weather = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "The weather in Paris?"}],
        response_model=Weather,
        temperature=0,
        max_retries=0,
        **options,
    )
    return weather.model_dump()


partial = instructor.from_openai(OpenAI(), mode=instructor.Mode.TOOLS).chat.completions
pieces = list(
    partial.create_partial(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "The weather in Paris?"}],
        response_model=Weather,
        temperature=0,
    )
)
seen = {
    "version": version("instructor"),
    "tools": asked(instructor.Mode.TOOLS),
    "tools_strict": asked(instructor.Mode.TOOLS_STRICT),
    "json_schema": asked(instructor.Mode.JSON_SCHEMA),
    "partial": [piece.model_dump() for piece in pieces][-1],
    "pieces": len(pieces),
}
print(json.dumps(seen))
