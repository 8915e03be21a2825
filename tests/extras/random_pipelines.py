"""Folders of pipelines with random weights: their images are noise, in the right size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
)

from tests.extras.tiny_diffusion import TOKENS, WIDTH, new_encoder


def save_inpainting(trained: Path, folder: Path) -> None:
    """A model that takes the latents, a mask, and the latents behind it."""
    parts = StableDiffusionPipeline.from_pretrained(trained).components
    unet = UNet2DConditionModel.from_config({**parts["unet"].config, "in_channels": 9})
    pipeline = StableDiffusionInpaintPipeline(
        **{**parts, "unet": unet}, requires_safety_checker=False
    )
    pipeline.save_pretrained(folder)


def save_xl(trained: Path, folder: Path) -> None:
    """Stable Diffusion XL, which has two text encoders."""
    parts = StableDiffusionPipeline.from_pretrained(trained).components
    unet = UNet2DConditionModel.from_config(
        {
            **parts["unet"].config,
            "cross_attention_dim": 2 * WIDTH,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": WIDTH + 6 * 8,
        }
    )
    pipeline = StableDiffusionXLPipeline(
        vae=_new_vae(4),
        text_encoder=new_encoder(parts["tokenizer"]),
        text_encoder_2=_projecting(parts),
        tokenizer=parts["tokenizer"],
        tokenizer_2=parts["tokenizer"],
        unet=unet,
        scheduler=parts["scheduler"],
    )
    pipeline.save_pretrained(folder)


def save_flow(trained: Path, folder: Path) -> None:
    """Stable Diffusion 3: a transformer with flow matching, and three text encoders."""
    parts = StableDiffusionPipeline.from_pretrained(trained).components
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=16,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=32,
        joint_attention_dim=2 * WIDTH,
        pooled_projection_dim=2 * WIDTH,
        pos_embed_max_size=32,
        out_channels=16,
    )
    t5 = T5Config(
        vocab_size=len(parts["tokenizer"]),
        d_model=2 * WIDTH,
        d_ff=WIDTH,
        num_layers=1,
        num_heads=2,
        d_kv=8,
    )
    pipeline = StableDiffusion3Pipeline(
        transformer=transformer,
        vae=_new_vae(16, shift_factor=0.1),
        text_encoder=_projecting(parts),
        text_encoder_2=_projecting(parts),
        text_encoder_3=T5EncoderModel(t5),
        tokenizer=parts["tokenizer"],
        tokenizer_2=parts["tokenizer"],
        tokenizer_3=parts["tokenizer"],
        scheduler=FlowMatchEulerDiscreteScheduler(),
    )
    pipeline.save_pretrained(folder)


def _new_vae(channels: int, **options: Any) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=channels,
        norm_num_groups=4,
        **options,
    )


def _projecting(parts: dict[str, Any]) -> CLIPTextModelWithProjection:
    encoder: CLIPTextModel = new_encoder(parts["tokenizer"])
    config = CLIPTextConfig(**{**encoder.config.to_dict(), "max_position_embeddings": TOKENS})
    return CLIPTextModelWithProjection(config)
