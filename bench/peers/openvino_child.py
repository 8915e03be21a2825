"""OpenVINO GenAI as a child process. Runs in an environment with that library, without ours.

Its argument is a GGUF file. Reads JSON lines `{"prompts": […], "tokens": …}`, generates for all
prompts at once, greedily, and answers with the tokens of all prompts and of all answers, and the
seconds to the first token of the prompts, in the mean.
"""

import json
import sys


def main() -> None:
    from openvino_genai import LLMPipeline  # type: ignore[import-not-found]

    pipeline = LLMPipeline(sys.argv[1], "CPU")
    config = pipeline.get_generation_config()
    config.do_sample = False
    for line in sys.stdin:
        question = json.loads(line)
        config.max_new_tokens = question["tokens"]
        metrics = pipeline.generate(question["prompts"], config).perf_metrics
        answer = {
            "prompt_tokens": metrics.get_num_input_tokens(),
            "completion_tokens": metrics.get_num_generated_tokens(),
            "first": metrics.get_ttft().mean / 1000,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
