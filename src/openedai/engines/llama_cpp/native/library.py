"""llama.cpp's C API through ctypes, from the xllamacpp package or another build.

The package's shared object exports the whole API of one build of llama.cpp, and is pinned. The
structs and functions are declared here as in that build. Another build is used only if its version
is known to have the same declarations, and not for images. The layout of the structs is checked
when a library is opened. ctypes releases Python's lock during each call.
"""

from __future__ import annotations

import ctypes
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_bool,
    c_char_p,
    c_float,
    c_int,
    c_int8,
    c_int32,
    c_size_t,
    c_uint32,
    c_void_p,
)
from pathlib import Path
from typing import Any

from openedai.engines.free_cores import limit_spinning
from openedai.engines.llama_cpp.native.opening import (
    VERSION,
    load_kernels,
    open_build,
    open_package,
    version_of,
)
from openedai.errors import EngineFailed

_ERROR_LEVEL, _CONTINUED_LEVEL = 4, 5
_KEPT_ERRORS = 5


class ModelParams(Structure):
    _fields_ = [
        ("devices", c_void_p),
        ("tensor_buft_overrides", c_void_p),
        ("n_gpu_layers", c_int32),
        ("split_mode", c_int),
        ("load_mode", c_int),
        ("lazy_mode", c_int),
        ("main_gpu", c_int32),
        ("tensor_split", c_void_p),
        ("progress_callback", c_void_p),
        ("progress_callback_user_data", c_void_p),
        ("kv_overrides", c_void_p),
        ("vocab_only", c_bool),
        ("check_tensors", c_bool),
        ("use_extra_bufts", c_bool),
        ("no_host", c_bool),
        ("no_alloc", c_bool),
        ("load_mtp", c_bool),
    ]


class ContextParams(Structure):
    _fields_ = [
        ("n_ctx", c_uint32),
        ("n_batch", c_uint32),
        ("n_ubatch", c_uint32),
        ("n_seq_max", c_uint32),
        ("n_rs_seq", c_uint32),
        ("n_outputs_max", c_uint32),
        ("n_outputs_max_per_seq", c_uint32),
        ("n_threads", c_int32),
        ("n_threads_batch", c_int32),
        ("ctx_type", c_int),
        ("rope_scaling_type", c_int),
        ("pooling_type", c_int),
        ("attention_type", c_int),
        ("flash_attn_type", c_int),
        ("rope_freq_base", c_float),
        ("rope_freq_scale", c_float),
        ("yarn_ext_factor", c_float),
        ("yarn_attn_factor", c_float),
        ("yarn_beta_fast", c_float),
        ("yarn_beta_slow", c_float),
        ("yarn_orig_ctx", c_uint32),
        ("defrag_thold", c_float),
        ("cb_eval", c_void_p),
        ("cb_eval_user_data", c_void_p),
        ("type_k", c_int),
        ("type_v", c_int),
        ("moe_cache_size", c_size_t),
        ("abort_callback", c_void_p),
        ("abort_callback_data", c_void_p),
        ("embeddings", c_bool),
        ("offload_kqv", c_bool),
        ("no_perf", c_bool),
        ("op_offload", c_bool),
        ("swa_full", c_bool),
        ("kv_unified", c_bool),
        ("samplers", c_void_p),
        ("n_samplers", c_size_t),
        ("ctx_other", c_void_p),
    ]


class EarlierContextParams(Structure):
    _fields_ = [field for field in ContextParams._fields_ if field[0] != "moe_cache_size"]


class Batch(Structure):
    _fields_ = [
        ("n_tokens", c_int32),
        ("token", POINTER(c_int32)),
        ("embd", POINTER(c_float)),
        ("pos", POINTER(c_int32)),
        ("n_seq_id", POINTER(c_int32)),
        ("seq_id", POINTER(POINTER(c_int32))),
        ("logits", POINTER(c_int8)),
    ]


class ChainParams(Structure):
    _fields_ = [("no_perf", c_bool)]


class LogitBias(Structure):
    _fields_ = [("token", c_int32), ("bias", c_float)]


class ProjectorParams(Structure):
    """`mtmd_context_params`."""

    _fields_ = [
        ("use_gpu", c_bool),
        ("device", c_void_p),
        ("print_timings", c_bool),
        ("n_threads", c_int),
        ("image_marker", c_char_p),
        ("media_marker", c_char_p),
        ("flash_attn_type", c_int),
        ("warmup", c_bool),
        ("image_min_tokens", c_int),
        ("image_max_tokens", c_int),
        ("cb_eval", c_void_p),
        ("cb_eval_user_data", c_void_p),
        ("batch_max_tokens", c_int32),
        ("progress_callback", c_void_p),
        ("progress_callback_user_data", c_void_p),
    ]


class InputText(Structure):
    _fields_ = [
        ("text", c_char_p),
        ("text_len", c_size_t),
        ("add_special", c_bool),
        ("parse_special", c_bool),
    ]


class InputPart(Structure):
    """A text, or a bitmap."""

    _fields_ = [("text", POINTER(InputText)), ("bitmap", c_void_p)]


_LogCallback = CFUNCTYPE(None, c_int, c_char_p, c_void_p)
_PROJECTOR = _CHUNKS = _CHUNK = _BITMAP = c_void_p
_MODEL = _CONTEXT = _VOCAB = _MEMORY = _SAMPLER = _ADAPTER = c_void_p

# The functions that are used: the type of the result, then the types of the arguments.
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "llama_backend_init": (None,),
    "llama_log_set": (None, _LogCallback, c_void_p),
    "llama_model_default_params": (ModelParams,),
    "llama_context_default_params": (ContextParams,),
    "llama_sampler_chain_default_params": (ChainParams,),
    # models
    "llama_supports_gpu_offload": (c_bool,),
    "llama_model_load_from_file": (_MODEL, c_char_p, ModelParams),
    "llama_model_free": (None, _MODEL),
    "llama_model_get_vocab": (_VOCAB, _MODEL),
    "llama_model_chat_template": (c_char_p, _MODEL, c_char_p),
    "llama_model_n_embd_inp": (c_int32, _MODEL),
    "llama_model_n_embd_out": (c_int32, _MODEL),
    "llama_model_n_cls_out": (c_uint32, _MODEL),
    "llama_model_n_ctx_train": (c_int32, _MODEL),
    "llama_model_n_head": (c_int32, _MODEL),
    "llama_model_has_encoder": (c_bool, _MODEL),
    "llama_model_has_decoder": (c_bool, _MODEL),
    "llama_adapter_lora_init": (_ADAPTER, _MODEL, c_char_p),
    # contexts
    "llama_init_from_model": (_CONTEXT, _MODEL, ContextParams),
    "llama_free": (None, _CONTEXT),
    "llama_n_ctx_seq": (c_uint32, _CONTEXT),
    "llama_set_n_threads": (None, _CONTEXT, c_int32, c_int32),
    "llama_set_causal_attn": (None, _CONTEXT, c_bool),
    "llama_set_adapters_lora": (c_int32, _CONTEXT, c_void_p, c_size_t, POINTER(c_float)),
    "llama_decode": (c_int32, _CONTEXT, Batch),
    "llama_get_logits_ith": (c_void_p, _CONTEXT, c_int32),
    "llama_get_embeddings_seq": (c_void_p, _CONTEXT, c_int32),
    "llama_get_memory": (_MEMORY, _CONTEXT),
    "llama_memory_clear": (None, _MEMORY, c_bool),
    "llama_memory_seq_cp": (None, _MEMORY, c_int32, c_int32, c_int32, c_int32),
    "llama_memory_seq_rm": (c_bool, _MEMORY, c_int32, c_int32, c_int32),
    "llama_state_seq_get_size": (c_size_t, _CONTEXT, c_int32),
    "llama_state_seq_get_data": (c_size_t, _CONTEXT, c_void_p, c_size_t, c_int32),
    "llama_state_seq_set_data": (c_size_t, _CONTEXT, c_void_p, c_size_t, c_int32),
    # vocabularies
    "llama_vocab_n_tokens": (c_int32, _VOCAB),
    "llama_vocab_is_eog": (c_bool, _VOCAB, c_int32),
    "llama_vocab_is_control": (c_bool, _VOCAB, c_int32),
    "llama_vocab_get_add_bos": (c_bool, _VOCAB),
    "llama_vocab_get_add_eos": (c_bool, _VOCAB),
    "llama_vocab_get_add_sep": (c_bool, _VOCAB),
    "llama_vocab_bos": (c_int32, _VOCAB),
    "llama_vocab_eos": (c_int32, _VOCAB),
    "llama_vocab_sep": (c_int32, _VOCAB),
    "llama_vocab_fim_pre": (c_int32, _VOCAB),
    "llama_vocab_fim_suf": (c_int32, _VOCAB),
    "llama_vocab_fim_mid": (c_int32, _VOCAB),
    "llama_tokenize": (
        *(c_int32, _VOCAB, c_char_p, c_int32),
        *(POINTER(c_int32), c_int32, c_bool, c_bool),
    ),
    "llama_token_to_piece": (c_int32, _VOCAB, c_int32, c_char_p, c_int32, c_int32, c_bool),
    # samplers
    "llama_sampler_chain_init": (_SAMPLER, ChainParams),
    "llama_sampler_chain_add": (None, _SAMPLER, _SAMPLER),
    "llama_sampler_sample": (c_int32, _SAMPLER, _CONTEXT, c_int32),
    "llama_sampler_accept": (None, _SAMPLER, c_int32),
    "llama_sampler_free": (None, _SAMPLER),
    "llama_sampler_init_greedy": (_SAMPLER,),
    "llama_sampler_init_dist": (_SAMPLER, c_uint32),
    "llama_sampler_init_logit_bias": (_SAMPLER, c_int32, c_int32, POINTER(LogitBias)),
    "llama_sampler_init_penalties": (_SAMPLER, c_int32, c_int32, c_float, c_float, c_float),
    "llama_sampler_init_dry": (
        *(_SAMPLER, _VOCAB, c_float, c_float),
        *(c_int32, c_int32, POINTER(c_char_p), c_size_t),
    ),
    "llama_sampler_init_top_k": (_SAMPLER, c_int32),
    "llama_sampler_init_typical": (_SAMPLER, c_float, c_size_t),
    "llama_sampler_init_top_p": (_SAMPLER, c_float, c_size_t),
    "llama_sampler_init_min_p": (_SAMPLER, c_float, c_size_t),
    "llama_sampler_init_xtc": (_SAMPLER, c_float, c_float, c_size_t, c_uint32),
    "llama_sampler_init_temp": (_SAMPLER, c_float),
    "llama_sampler_init_mirostat": (_SAMPLER, c_int32, c_uint32, c_float, c_float, c_int32),
    "llama_sampler_init_mirostat_v2": (_SAMPLER, c_uint32, c_float, c_float),
    # images
    "mtmd_helper_log_set": (None, _LogCallback, c_void_p),
    "mtmd_context_params_default": (ProjectorParams,),
    "mtmd_init_from_file": (_PROJECTOR, c_char_p, _MODEL, ProjectorParams),
    "mtmd_free": (None, _PROJECTOR),
    "mtmd_support_vision": (c_bool, _PROJECTOR),
    "mtmd_bitmap_init": (_BITMAP, c_uint32, c_uint32, c_char_p),
    "mtmd_bitmap_set_id": (None, _BITMAP, c_char_p),
    "mtmd_bitmap_free": (None, _BITMAP),
    "mtmd_tokenize_from_parts": (
        *(c_int32, _PROJECTOR, _CHUNKS),
        *(POINTER(POINTER(InputPart)), c_size_t, c_bool),
    ),
    "mtmd_input_chunks_init": (_CHUNKS,),
    "mtmd_input_chunks_size": (c_size_t, _CHUNKS),
    "mtmd_input_chunks_get": (_CHUNK, _CHUNKS, c_size_t),
    "mtmd_input_chunks_free": (None, _CHUNKS),
    "mtmd_input_chunk_get_tokens_text": (POINTER(c_int32), _CHUNK, POINTER(c_size_t)),
    "mtmd_input_chunk_get_n_tokens": (c_size_t, _CHUNK),
    "mtmd_input_chunk_get_n_pos": (c_int32, _CHUNK),
    "mtmd_input_chunk_get_id": (c_char_p, _CHUNK),
    "mtmd_encode_chunk": (c_int32, _PROJECTOR, _CHUNK),
    "mtmd_get_output_embd": (POINTER(c_float), _PROJECTOR),
    "mtmd_helper_decode_image_chunk": (
        *(c_int32, _PROJECTOR, _CONTEXT, _CHUNK, c_void_p),
        *(c_int32, c_int32, c_int32, POINTER(c_int32), c_void_p, c_void_p),
    ),
}
_IMAGES = "mtmd_"
# The versions of llama.cpp that are known to have these functions, with the parameters of their
# contexts. Everything else declared here is the same in all of them.
_KNOWN = {
    "0.4": EarlierContextParams,
    "0.5": EarlierContextParams,
    "0.6": ContextParams,
}


class Library:
    """The opened library. Its functions are attributes of `c`, by their names in C.

    `build` identifies it. `errors` are the last messages logged as errors.
    """

    def __init__(self, path: Path | None = None) -> None:
        """The package's library, or the one at `path`: a shared object with all of llama.cpp, or a
        folder with its parts. Raises EngineFailed if it is missing or is not a known build.
        """
        limit_spinning()
        self.c = open_package() if path is None else open_build(path)
        found = version_of(self.c)
        self.build = VERSION if path is None else f"{path} {found}"
        context = _KNOWN.get(".".join(found.split(".")[:2]))
        if context is None:
            known = ", ".join(_KNOWN)
            raise EngineFailed(f"The llama.cpp {self.build} has no known version ({known}).")
        self._declare(context, images=path is None)
        self._check_layout(context)
        self.errors: list[str] = []
        callback = _LogCallback(self._log)
        ctypes.pythonapi.Py_IncRef(
            ctypes.py_object(callback)
        )  # llama.cpp calls it until the process ends
        self.c.llama_log_set(callback, None)
        if path is None:
            self._check_projector_layout()
            self.c.mtmd_helper_log_set(callback, None)
        else:
            load_kernels(path)
        self.c.llama_backend_init()

    def failure(self) -> str:
        """What the library logged last as an error, without line feeds."""
        return " ".join(error.strip() for error in self.errors) or "unknown error"

    def _declare(self, context: type[Structure], *, images: bool) -> None:
        """Raises EngineFailed if a function is missing."""
        for name, types in _FUNCTIONS.items():
            if name.startswith(_IMAGES) and not images:
                continue
            try:
                function = getattr(self.c, name)
            except AttributeError:
                raise EngineFailed(f"The llama.cpp {self.build} has no function {name}.") from None
            result, *arguments = (context if one is ContextParams else one for one in types)
            function.restype, function.argtypes = result, arguments

    def _check_layout(self, kind: type[Structure]) -> None:
        """Check the default values at both ends of the structs, which would move in another
        layout.
        """
        model = self.c.llama_model_default_params()
        context = self.c.llama_context_default_params()
        found = (
            *(model.n_gpu_layers, model.split_mode, model.load_mode, model.lazy_mode),
            *(model.kv_overrides, model.use_extra_bufts, model.load_mtp),
            *(context.n_ctx, context.n_batch, context.n_ubatch, context.n_seq_max),
            *(context.rope_scaling_type, context.flash_attn_type, context.defrag_thold),
            *(context.type_k, context.type_v, context.abort_callback_data),
            *(context.embeddings, context.offload_kqv, context.no_perf, context.swa_full),
            *(context.kv_unified, context.samplers, context.n_samplers, context.ctx_other),
        )
        expected = (
            *(-1, 1, -1, 1, None, True, False),
            *(512, 2048, 512, 1, -1, -1, -1.0, 1, 1, None),
            *(False, True, True, True, False, None, 0, None),
        )
        if found != expected or (kind is ContextParams and context.moe_cache_size != 0):
            raise self._another_layout()

    def _check_projector_layout(self) -> None:
        projector = self.c.mtmd_context_params_default()
        found = (
            *(projector.use_gpu, projector.device, projector.n_threads, projector.media_marker),
            *(projector.flash_attn_type, projector.warmup, projector.image_max_tokens),
            *(projector.cb_eval, projector.batch_max_tokens, projector.progress_callback),
        )
        if found != (True, None, 4, b"<__media__>", -1, True, -1, None, 1024, None):
            raise self._another_layout()

    def _another_layout(self) -> EngineFailed:
        return EngineFailed(f"The llama.cpp {self.build} has another layout than expected.")

    def _log(self, level: int, text: bytes, _: object) -> None:
        if level == _ERROR_LEVEL:
            self.errors = [*self.errors, text.decode("utf-8", "replace")][-_KEPT_ERRORS:]
        elif level == _CONTINUED_LEVEL and self.errors:
            self.errors[-1] += text.decode("utf-8", "replace")
