"""TRL's SFTTrainer as a child process. Runs in an environment with trl and peft, without this
project.

Reads JSON lines, `{"folder": …, "examples": [{"ids": …, "learned": …}], "epochs": …, "batch": …,
"rank": …, "alpha": …, "rate": …, "threads": …, "recompute": …}`: trains an adapter of the
checkpoint in the folder, and answers with the seconds between the first step and the last one, also
those of processor time, the loss of each step, the peak of the memory in bytes, and the versions.
"""

import json
import resource
import sys
import tempfile
import time
from importlib.metadata import version
from typing import Any


def train(question: dict[str, Any], folder: str) -> dict[str, Any]:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTTrainer

    torch.set_num_threads(question["threads"])
    times: list[float] = []
    processor_times: list[float] = []
    losses: list[float] = []

    class Steps(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            times.append(time.perf_counter())
            processor_times.append(time.process_time())

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if "loss" in (logs or {}):
                losses.append(float(logs["loss"]))

    rows = [
        {"input_ids": one["ids"], "completion_mask": [int(yes) for yes in one["learned"]]}
        for one in question["examples"]
    ]
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(question["folder"], dtype=torch.float32),
        processing_class=AutoTokenizer.from_pretrained(question["folder"]),
        train_dataset=Dataset.from_list(rows),
        peft_config=LoraConfig(
            r=question["rank"], lora_alpha=question["alpha"], target_modules="all-linear"
        ),
        args=_config(question, folder),
        callbacks=[Steps()],
    )
    trainer.train()
    return {
        "seconds": times[-1] - times[0],
        "processor_seconds": processor_times[-1] - processor_times[0],
        "losses": losses,
        "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "versions": {name: version(name) for name in ("trl", "peft", "transformers", "torch")},
    }


def _config(question: dict[str, Any], folder: str) -> Any:
    """As this project trains."""
    from trl import SFTConfig

    return SFTConfig(
        output_dir=folder,
        num_train_epochs=question["epochs"],
        per_device_train_batch_size=question["batch"],
        learning_rate=question["rate"],
        max_grad_norm=1.0,
        warmup_steps=1,
        completion_only_loss=True,
        gradient_checkpointing=question["recompute"],
        bf16=False,
        use_cpu=True,
        save_strategy="epoch",
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
    )


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # the trainer prints what it logs
    for line in sys.stdin:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(train(json.loads(line), folder)), file=answers, flush=True)


if __name__ == "__main__":
    main()
