"""A library for embeddings as a child process. Runs in an environment with that library, without
this project.

Its argument is the library's name. Reads JSON lines: `{"folder": …}` loads a model on the processor
and answers with the versions; `{"batches": […]}` computes every batch and answers with the seconds
that took and the first text's vector.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

Vectors = Sequence[Any]
Encode = Callable[[list[list[str]]], list[Vectors]]


def sentence_transformers(folder: Path) -> Encode:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")

    def encode(batches: list[list[str]]) -> list[Vectors]:
        return [
            model.encode(batch, batch_size=len(batch), show_progress_bar=False) for batch in batches
        ]

    return encode


def infinity(folder: Path) -> Encode:
    """Its default engine, which is torch, with 32-bit weights."""
    from infinity_emb import AsyncEmbeddingEngine, EngineArgs

    loop = asyncio.new_event_loop()
    settings = EngineArgs(
        model_name_or_path=str(folder), device="cpu", dtype="float32", model_warmup=False
    )
    engine = AsyncEmbeddingEngine.from_args(settings)
    loop.run_until_complete(engine.astart())

    async def run(batches: list[list[str]]) -> list[Vectors]:
        return [(await engine.embed(sentences=batch))[0] for batch in batches]

    return lambda batches: loop.run_until_complete(run(batches))


def fastembed(folder: Path) -> Encode:
    """It needs an ONNX graph, and takes the one in the folder."""
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    config = json.loads((folder / "config.json").read_text("utf-8"))
    TextEmbedding.add_custom_model(
        "local",
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf="local/local"),
        dim=config["hidden_size"],
        model_file="model.onnx",
        additional_files=["model.safetensors"],
    )
    model = TextEmbedding("local", specific_model_path=str(folder), cuda=False)
    return lambda batches: [[*model.embed(batch, batch_size=len(batch))] for batch in batches]


LIBRARIES: dict[str, tuple[Callable[[Path], Encode], Sequence[str]]] = {
    "sentence-transformers": (sentence_transformers, ("sentence-transformers", "torch")),
    "infinity-emb": (infinity, ("infinity-emb", "torch")),
    "fastembed": (fastembed, ("fastembed", "onnxruntime")),
}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    library = sys.argv[1]
    load, packages = LIBRARIES[library]
    encode: Any = None
    for line in sys.stdin:
        question = json.loads(line)
        answer: dict[str, Any]
        if "folder" in question:
            encode = load(Path(question["folder"]))
            answer = {f"{library}: {name}": version(name) for name in packages}
        else:
            started = time.perf_counter()
            vectors = encode(question["batches"])
            seconds = time.perf_counter() - started
            answer = {"seconds": seconds, "vector": [float(one) for one in vectors[0][0]]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
