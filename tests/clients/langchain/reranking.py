"""LangChain over Cohere's client: reranking."""

import json
import os
from importlib.metadata import version

from langchain_cohere import CohereRerank
from langchain_core.documents import Document

URL = os.environ["OPENAI_BASE_URL"].removesuffix("/v1")
QUERY = "How do plants eat?"
TEXTS = [
    "Cats sleep all day.",
    "Photosynthesis turns light into sugar in the leaves of plants.",
    "Interest rates were raised again.",
]

langchain = CohereRerank(model="rerank-v3.5", cohere_api_key="dummy", base_url=URL, top_n=1)
documents = [Document(page_content=text) for text in TEXTS]
found = langchain.compress_documents(documents, QUERY)
seen = {
    "version": version("langchain-cohere"),
    "found": [one.page_content for one in found],
    "score": found[0].metadata["relevance_score"],
}
print(json.dumps(seen))
