"""LangChain's moderation chain: texts that are flagged are replaced, or are errors."""

import asyncio
import json
from importlib.metadata import version

from langchain_classic.chains import OpenAIModerationChain

GOOD = "The kettle will be repaired tomorrow."
BAD = "You are a worthless idiot and everybody hates you. I will hurt you tonight."

chain = OpenAIModerationChain()
strict = OpenAIModerationChain(error=True)
try:
    refused = strict.invoke(BAD)["output"]
except ValueError as error:
    refused = str(error)
seen = {
    "version": version("langchain-classic"),
    "good": chain.invoke(GOOD)["output"] == GOOD,
    "bad": chain.invoke(BAD)["output"],
    "later": asyncio.run(chain.ainvoke(BAD))["output"],
    "refused": refused,
}
print(json.dumps(seen))
