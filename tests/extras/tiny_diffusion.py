"""Trains a tiny text-to-image model on captioned shapes, in a few minutes on two cores.

The folder is one of diffusers, with the classes of Stable Diffusion: `StableDiffusionPipeline` and
all that can be made of it load it. `scripts/tiny-diffusion` runs this.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

# Threads that wait actively for each other make a busy machine slower by far.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import (
    AutoencoderTiny,
    DDIMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from tests.extras.shapes import COLOURS, SHAPES, SIDE, Shape, draw

PICTURES = 2048
VAE_STEPS = 300
UNET_STEPS = 320
TOKENS = 16  # of a prompt
WIDTH = 64  # of the text encoder
UNTITLED = 0.1  # of the pictures are shown without their caption, for classifier-free guidance


def train(folder: Path) -> None:
    """Train the model and save it in `folder`."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    shapes = [_random_shape(random) for _ in range(PICTURES)]
    drawn = np.stack([draw(shape) for shape in shapes])
    pictures = torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 127.5 - 1
    tokenizer = new_tokenizer(folder / "tokenizer")
    vae = new_vae()
    train_vae(vae, pictures, random)
    with torch.no_grad():
        latents = torch.cat([vae.encode(batch).latents for batch in pictures.split(64)])
    vae.register_to_config(scaling_factor=1 / latents.std().item())
    unet, encoder, scheduler = new_unet(), new_encoder(tokenizer), new_scheduler()
    captions = [shape.caption for shape in shapes]
    tokens = _tokens(tokenizer, ["", *captions])
    train_unet(unet, encoder, scheduler, latents * vae.config.scaling_factor, tokens)
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder, safe_serialization=True)


def new_tokenizer(folder: Path) -> CLIPTokenizer:
    """Knows the words of captions, and spells all others."""
    ordinary = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(byte) for byte in ordinary]
    letters += [chr(256 + number) for number in range(256 - len(ordinary))]
    merges: dict[tuple[str, str], None] = {}
    for word in ("a", *COLOURS, *SHAPES):
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            merges[parts[0], parts[1]] = None
            parts[:2] = ["".join(parts[:2])]
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, merges)]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {token: number for number, token in enumerate(vocabulary)}
    (folder / "vocab.json").write_text(json.dumps(numbers))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges), ""]
    (folder / "merges.txt").write_text("\n".join(lines))
    return CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=TOKENS
    )


def new_vae(channels: int = 32) -> AutoencoderTiny:
    """At first it passes every eighth pixel on, so that it has only the edges to learn."""
    vae = AutoencoderTiny(
        encoder_block_out_channels=(channels,) * 4,
        decoder_block_out_channels=(channels,) * 4,
        num_encoder_blocks=(0, 0, 0, 2),
        num_decoder_blocks=(2, 1, 0, 0),
        scaling_factor=1.0,
    )
    with torch.no_grad():
        for layer in vae.modules():
            if isinstance(layer, torch.nn.Conv2d):
                identity = torch.nn.init.dirac_(torch.zeros_like(layer.weight))
                layer.weight.mul_(0.3).add_(identity)
                if layer.bias is not None:
                    layer.bias.zero_()
        for block in (*vae.encoder.layers, *vae.decoder.layers):
            if hasattr(block, "conv"):
                block.conv[-1].weight.zero_()
        first, last = vae.decoder.layers[0], vae.encoder.layers[-1]
        last.weight.mul_(2)  # latents from -1 to 1; pixels are from 0 to 1 there
        last.bias[:3] = -1
        first.weight.mul_(0.5)
        first.bias[:3] = 0.5
    return vae


def train_vae(vae: AutoencoderTiny, pictures: torch.Tensor, random: np.random.Generator) -> None:
    cut, batch = 48, 8
    for _ in _steps("VAE", vae.parameters(), VAE_STEPS, 4e-3):
        chosen = pictures[random.integers(0, PICTURES, batch)]
        x, y = random.integers(0, (SIDE - cut) // 8 + 1, 2) * 8
        chosen = chosen[:, :, y : y + cut, x : x + cut]
        latents = vae.encode(chosen).latents
        noisy = latents + 0.05 * torch.randn_like(latents)
        result = vae.decode(noisy).sample
        far = F.relu(latents.abs() - 1.5).square().mean()
        (F.l1_loss(result, chosen) + F.mse_loss(result, chosen) + 0.1 * far).backward()
    vae.eval()


def new_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=SIDE // 8,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(32, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=2,
        norm_num_groups=8,
    )


def new_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def new_scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_schedule="linear",
        beta_start=1e-4,
        beta_end=0.02,
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing="trailing",
    )


def train_unet(
    unet: UNet2DConditionModel,
    encoder: CLIPTextModel,
    scheduler: DDIMScheduler,
    latents: torch.Tensor,
    tokens: torch.Tensor,
) -> None:
    """`tokens` are those of no caption, then those of the caption of each of the `latents`."""
    batch = 64
    for _ in _steps("U-Net", [*unet.parameters(), *encoder.parameters()], UNET_STEPS, 3e-3):
        chosen = torch.randint(0, len(latents), (batch,))
        captions = torch.where(torch.rand(batch) < UNTITLED, 0, chosen + 1)
        clean = latents[chosen]
        noise, times = torch.randn_like(clean), torch.randint(0, 1000, (batch,))
        texts = encoder(tokens[captions]).last_hidden_state
        noisy = scheduler.add_noise(clean, noise, times)
        predicted = unet(noisy, times, encoder_hidden_states=texts).sample
        F.mse_loss(predicted, scheduler.get_velocity(clean, noise, times)).backward()
    unet.eval()
    encoder.eval()


def _steps(name: str, weights: Any, steps: int, rate: float) -> Iterator[int]:
    """Yields before each step's gradients are computed, and then takes the step."""
    weights, started = list(weights), time.monotonic()
    optimiser = torch.optim.AdamW(weights)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        yield step
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        rates.step()
    print(f"{name}: {steps} steps in {time.monotonic() - started:.0f} s", flush=True)


def _tokens(tokenizer: CLIPTokenizer, captions: Sequence[str]) -> torch.Tensor:
    encoded = tokenizer(captions, padding="max_length", max_length=TOKENS, return_tensors="pt")
    ids: torch.Tensor = encoded.input_ids
    return ids


def _random_shape(random: np.random.Generator) -> Shape:
    x, y = random.uniform(SIDE / 2 - 4, SIDE / 2 + 4, 2)
    return Shape(
        colour=str(random.choice(list(COLOURS))),
        shape=str(random.choice(SHAPES)),
        x=float(x),
        y=float(y),
        radius=float(random.uniform(17, 20)),
    )


if __name__ == "__main__":
    train(Path(sys.argv[1]))
