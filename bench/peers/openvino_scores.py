"""The log probabilities of tokens under OpenVINO GenAI's reading of a GGUF file. Runs in an
environment with openvino-genai, without ours.

Its argument is the GGUF file. Reads JSON lines `{"tokens": […]}` and answers with the log
probability of each token but the first. GenAI itself gives none for a prompt, so it saves the model
that it made of the file, and OpenVINO's runtime computes that.
"""

import json
import sys
import tempfile
from pathlib import Path


def main() -> None:
    import numpy as np
    import openvino  # type: ignore[import-not-found]
    from openvino_genai import LLMPipeline  # type: ignore[import-not-found]

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.gguf")
        file.symlink_to(Path(sys.argv[1]).absolute())
        LLMPipeline(str(file), "CPU", enable_save_ov_model=True)
        model = openvino.Core().compile_model(f"{folder}/openvino_model.xml", "CPU")
    request = model.create_infer_request()
    for line in sys.stdin:
        tokens = np.array([json.loads(line)["tokens"]], np.int64)
        request.reset_state()
        inputs = {
            "input_ids": tokens,
            "attention_mask": np.ones_like(tokens),
            "position_ids": np.arange(tokens.size, dtype=np.int64)[None],
            "beam_idx": np.zeros(1, np.int32),
        }
        request.infer(inputs)
        logits = request.get_output_tensor(0).data[0].astype(np.float64)
        top = logits.max(axis=1, keepdims=True)
        total = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
        chosen = logits[np.arange(tokens.size - 1), tokens[0, 1:]] - total[:-1]
        print(json.dumps({"logprobs": chosen.tolist()}), flush=True)


if __name__ == "__main__":
    main()
