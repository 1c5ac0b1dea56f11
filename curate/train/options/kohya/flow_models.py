"""The files, texts and memory of flow models: sd-scripts' and musubi-tuner's settings of their own."""

from __future__ import annotations

from pathlib import Path

from curate.train.options.kohya import paths
from curate.train.options.kohya.network import OF_PARTS
from curate.train.options.kohya.settings import NETWORK, VERSIONS, Translation

VARIANTS = ("edit", "edit_plus", "layered", "control", "one_frame")
TOKENS = ("qwen3_max_token_length", "t5_max_token_length", "t5xxl_max_token_length", "gemma2_max_token_length")
ENCODERS = ("clip_l", "clip_g", "t5xxl")
MASKS = ("apply_lg_attn_mask", "apply_t5_attn_mask")
DROPOUTS = ("clip_l_dropout_rate", "clip_g_dropout_rate", "t5_dropout_rate")
POSITIONS = ("pos_emb_random_crop_rate", "enable_scaled_pos_embed")
SPEED = (
    *("use_flash_attn", "use_sage_attn", "sample_batch_size", "save_clip", "save_t5xxl"),
    *("t5xxl_device", "t5xxl_dtype", "cpu_offload_checkpointing"),
)
MODULATED = ("flux", "lumina", "sd3")
"""Families whose networks of sd-scripts train the blocks' modulation too."""
PART_RATES = ("self_attn_lr", "cross_attn_lr", "mlp_lr", "mod_lr", "llm_adapter_lr")


def translate(t: Translation) -> None:
    """What flow models have of their own, besides the draw of noise levels."""
    _version(t)
    _text(t)
    _files(t)
    _rates(t)
    _network(t)
    t.idle(SPEED, "it affects speed, memory or files of other parts, not what is learned")
    if t.switch == "anima":
        t.idle(("fp8_base", "fp8_base_unet"), "sd-scripts cannot keep Anima in fp8; --base-precision fp8 does here")
    if t.switch == "krea2" and "layer_preset" not in t.result.values:
        t.default("layer_preset", "full")  # its module of musubi-tuner takes every linear layer
    t.idle(("sample_sampler",), "sample pictures of flow models are drawn with euler, there and here")
    t.idle(("sample_solver",), "sample pictures of flow models are drawn with euler")


def _version(t: Translation) -> None:
    """Which model of a family it is; what is another task is refused."""
    named = next((str(value) for name in VERSIONS if (value := t.take(name))), "")
    own = t.family.kohya[2:] if t.family else ()
    if named and named not in (*own, "original"):
        known = f": {', '.join(own)}" if own else ""
        t.refuse(next(filter(t.taken.get, VERSIONS)), f"it is another model, or one for another task{known or ''}")
    for name in VARIANTS:
        if t.has(name):
            t.refuse(name, "pictures are learned from captions alone, not from other pictures")


def _text(t: Translation) -> None:
    alone = sum(name.startswith("text_encoder") for name in t.family.parts) == 1 if t.family else False
    if not alone and _stand_together(t):
        t.put("text_encoder", str(t.take("t5xxl")), "t5xxl")
    for name in ("text_encoder", "qwen3", "gemma2", *ENCODERS):
        if t.has(name) and name in ENCODERS and not alone:
            t.note(
                name,
                "is left out: --text-encoder takes T5's file with those of CLIP beside it, or a folder of them all",
            )
        elif t.has(name) and not paths.is_foreign(t.left[name].value):
            t.put("text_encoder", str(t.take(name)), name)
        elif t.has(name):
            t.note(name, "is a Windows path, which does not exist on this system: give --text-encoder")
    if t.has("t5_tokenizer_path"):
        t.note("t5_tokenizer_path", "is left out: --tokenizer takes a folder with tokenizer/ and t5_tokenizer/")
    limit = t.family.caption_tokens if t.family else 0
    for name in TOKENS:
        if t.has(name):
            value = t.take(name)
            if value != limit:
                t.note(name, f"is left out: captions are read up to {limit or 'their limit in'} tokens")
    t.idle(("clip_skip", "max_token_length"), "captions of flow models are read by their own rules")
    for name in filter(t.has, MASKS):
        t.note(name, "is left out: captions are masked as diffusers' pipeline masks them")
    for name in filter(t.has, DROPOUTS):
        t.refuse(name, "a caption is dropped for all text encoders at once", "caption_dropout")
    if t.has("system_prompt"):
        t.note("system_prompt", "is left out: before captions stands what diffusers' pipeline puts there")
    elif t.switch == "lumina":
        t.result.notes.append("system_prompt is not set: curate puts before captions what diffusers' pipeline does")


def _stand_together(t: Translation) -> bool:
    """Whether T5's file has those of CLIP beside it under ComfyUI's names; takes the names of these."""
    clips = [name for name in ENCODERS[:2] if t.has(name)]
    if not t.has("t5xxl") or any(paths.is_foreign(t.left[name].value) for name in ("t5xxl", *clips)):
        return False
    t5 = Path(str(t.left["t5xxl"].value))
    beside = all(Path(str(t.left[name].value)) == t5.with_name(f"{name}.safetensors") for name in clips)
    for name in clips if beside else ():
        t.take(name)
    return beside and bool(clips)


def _files(t: Translation) -> None:
    """The autoencoder, by the name that sd-scripts has for it in some families."""
    if t.has("ae") and not paths.is_foreign(t.left["ae"].value):
        t.put("vae", str(t.take("ae")), "ae")
    elif t.has("ae"):
        t.note("ae", "is a Windows path, which does not exist on this system: give --vae")


def _rates(t: Translation) -> None:
    """The text encoder is never trained; parts of the network have one rate."""
    title = t.family.title if t.family else "flow models"
    t.idle(("text_encoder_lr",), f"the text encoder of {title} is not trained here")
    if t.has("network_train_text_encoder_only"):
        t.refuse("network_train_text_encoder_only", f"the text encoder of {title} is not trained here")
    for name in ("network_train_unet_only", "text_encoder_lr"):  # as it is here in any case
        if name in t.left:
            t.take_any(name)
    rate = t.left.get("unet_lr") or t.left.get("learning_rate")
    for name in PART_RATES:
        if name in t.left and (rate is None or t.left[name].value != rate.value):
            t.refuse(name, "parts of the network have one rate; --exclude leaves layers out", "exclude")
        else:
            t.left.pop(name, None)
    if t.has(f"{NETWORK}train_llm_adapter"):
        t.put("layer_preset", "attn-mlp", _taken(t, f"{NETWORK}train_llm_adapter"))


def _network(t: Translation) -> None:
    """Which layers get a LoRA, and of what rank."""
    for name in POSITIONS:
        if t.has(name):
            t.refuse(name, "places in a picture are counted as diffusers' pipeline counts them")
    for name in sorted(OF_PARTS):
        if t.has(f"{NETWORK}{name}"):
            t.refuse(f"{NETWORK}{name}", "layers get ranks in another way here", "layers")
    if t.has(f"{NETWORK}train_t5xxl"):
        t.refuse(f"{NETWORK}train_t5xxl", "text encoders are not trained here")
    t.idle((f"{NETWORK}split_qkv",), "query, key and value have matrices of their own here in any case")
    if t.switch in MODULATED and "layer_preset" not in {**t.result.values, **t.result.defaults}:
        more = "--layer-preset full does here, with the layers at both ends"
        t.result.notes.append(f"sd-scripts trains the blocks' modulation too: {more}")


def _taken(t: Translation, name: str) -> str:
    t.take(name)
    return name
