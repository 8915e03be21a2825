"""LangChain: a chain, a stream, structured output, tools and a search by embeddings."""

import json
from importlib.metadata import version

from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel

TEXTS = ["The cat sleeps on the sofa.", "Interest rates were raised again."]


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    sunny: bool


@tool
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"It rains in {city}."


model = ChatOpenAI(model="gpt-4o-mini", temperature=0, max_tokens=12)
unlimited = ChatOpenAI(model="gpt-4o-mini", temperature=0)
completion = OpenAI(model="gpt-3.5-turbo-instruct", temperature=0, max_tokens=5)
prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{question}")])
chain = prompt | model | StrOutputParser()
asked = {"question": "List count from 1 to 100."}
answer = model.invoke("List count from 1 to 100.")
chunks = list(model.stream("List count from 1 to 100.", stream_usage=True))
question = HumanMessage("Weather in Paris?")
call = unlimited.bind_tools([get_weather], tool_choice="get_weather").invoke([question])
results = [get_weather.invoke(one) for one in call.tool_calls]
structured = unlimited.with_structured_output(Weather)
embeddings = OpenAIEmbeddings(model="text-embedding-3-small", check_embedding_ctx_length=False)
store = InMemoryVectorStore.from_texts(TEXTS, embeddings)
seen = {
    "version": version("langchain-openai"),
    "chain": chain.invoke(asked),
    "stream": "".join(chain.stream(asked)),
    "tokens": answer.usage_metadata["output_tokens"],
    "stream_tokens": [c.usage_metadata["output_tokens"] for c in chunks if c.usage_metadata],
    "model": answer.response_metadata["model_name"],
    "structured": structured.invoke("Weather in Paris?").model_dump(),
    "tool": call.tool_calls[0]["name"],
    "tool_result": results[0].content,
    "tool_answer": model.invoke([question, call, *results]).content,
    "completion": completion.invoke("Once upon a time"),
    "found": store.similarity_search("A pet on the furniture", k=1)[0].page_content,
    "dimensions": len(embeddings.embed_query("one")),
}
print(json.dumps(seen))
