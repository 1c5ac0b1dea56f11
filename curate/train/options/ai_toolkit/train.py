"""How long and how fast, and which noise levels: the section `train`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from curate.train.options.ai_toolkit.data import PRECISIONS
from curate.train.options.kohya.settings import Translation
from curate.train.options.kohya.values import plain
from curate.train.options.optimizer import finds_rate

RATE, STEPS, WARMUP = 1e-6, 1000, 1000
"""ai-toolkit's defaults; its window fills in 1e-4 and 3000 steps."""
OPTIMIZERS = {"adam8": "bitsandbytes.optim.Adam8bit", "adam8bit": "bitsandbytes.optim.Adam8bit"} | {
    "adam": "torch.optim.Adam",
    "adagrad": "torch.optim.Adagrad",
    "adamw8": "adamw8bit",
    "prodigy8bit": "prodigy",
    "dadaptationadam": "dadapt-lion",  # as its code has it
    "dadaptationlion": "dadapt-lion",
    "dadaptation": "dadapt-adam",
}
"""Its names of optimizers that are called otherwise here."""
OWN = ("automagic", "ademamix8bit")
"""Beginnings of optimizers that curate does not have."""
SIZED = ("chroma",)
"""Values of `arch` whose scheduler there shifts by the picture's size, as the family's own does not."""
WEIGHTED = {"logit_mean": 0.5, "logit_std": 1.55}
"""`weighted` draws σ evenly and gives each a weight, 1 on average. That learns as a draw in proportion to the weights
does; the logit-normal draw nearest to them is this one (0.04 of it elsewhere, in total variation, over its 1000)."""


def translate(t: Translation) -> None:
    """Length, rates, optimizer, schedule, precision, noise levels."""
    t.put("steps", steps, "train.steps") if (steps := t.take("train.steps")) else t.default("steps", STEPS)
    _accumulation(t)
    optimizer = _optimizer(t)
    _rates(t, optimizer)
    _schedule(t)
    _precision(t)
    _average(t)
    _trigger(t)
    if t.family is not None and t.family.objective == "flow":
        _noise_levels(t)
    else:
        _diffusion(t)


def _accumulation(t: Translation) -> None:
    for name in ("train.gradient_accumulation", "train.gradient_accumulation_steps"):
        count = t.take(name)
        if count == -1:
            t.refuse(name, "a whole epoch cannot be one step", "accumulate")
        elif count and count != 1:
            t.put("accumulate", count, name)


def _optimizer(t: Translation) -> str:
    given = str(t.take("train.optimizer") or "adamw").lower()
    name = OPTIMIZERS.get(given, given)
    if given.startswith(OWN):
        t.refuse("train.optimizer", "it is ai-toolkit's own", "optimizer")
        return "adamw"
    t.put_or_default("optimizer", name, "train.optimizer")
    params = t.take("train.optimizer_params")
    arguments = dict(cast("Mapping[str, Any]", params)) if isinstance(params, dict) else {}
    decay = arguments.pop("weight_decay", None)
    if decay is not None:
        t.put("weight_decay", plain(decay), "train.optimizer_params")
    elif not name.startswith(("adamw", "bitsandbytes.optim.Adam8bit")) or name == "adagrad":
        t.default("weight_decay", 0.0)
    if "adam" in given or given.startswith(("prodigy", "dadapt")):
        arguments.setdefault("eps", 1e-6)  # which it gives all of these
    lines = tuple(f"{key}={_value(value)}" for key, value in arguments.items())
    if lines:
        t.put_or_default("optimizer_args", lines, "train.optimizer_params")
    return name


def _value(value: Any) -> str:
    return ",".join(map(str, cast("list[Any]", value))) if isinstance(value, list) else str(value)


def _rates(t: Translation, optimizer: str) -> None:
    rate = t.number("train.lr")
    value = RATE if rate is None else rate
    if finds_rate(optimizer) and value < 0.1:
        t.result.notes.append(f"train.lr {value:g} is 1 here, as it is there with {optimizer}")
        value = 1.0
    t.put_or_default("learning_rate", value, "train.lr")
    unet, text = t.number("train.unet_lr"), t.take("train.text_encoder_lr")
    if unet is not None:
        t.put("unet_lr", unet, "train.unet_lr")
    trained = t.take("train.train_text_encoder")
    if t.family is not None and t.family.stored_text:
        if trained:
            t.refuse("train.train_text_encoder", f"the text encoder of {t.family.title} is not trained here")
        t.idle(("train.text_encoder_lr",), "the text encoder is not trained")
    elif not trained:
        t.default("text_lr", 0)
    elif text is not None:
        t.put("text_lr", text, "train.text_encoder_lr")
    else:
        t.default("text_lr", value)


def _schedule(t: Translation) -> None:
    name = str(t.take("train.lr_scheduler") or "constant")
    params = t.take("train.lr_scheduler_params")
    arguments = cast("Mapping[str, Any]", params) if isinstance(params, dict) else {}
    if name not in ("constant", "constant_with_warmup", "cosine", "cosine_with_restarts"):
        t.refuse("train.lr_scheduler", "read are constant, constant_with_warmup and cosine", "schedule")
        return
    # its restarts come after as many steps as the run has
    t.put_or_default("schedule", name.replace("_with_restarts", "").replace("_", "-"), "train.lr_scheduler")
    if name == "constant_with_warmup":
        t.put_or_default("warmup", arguments.get("num_warmup_steps", WARMUP), "train.lr_scheduler_params")
    elif arguments:
        t.refuse("train.lr_scheduler_params", "schedules have no further arguments", "schedule")


def _precision(t: Translation) -> None:
    dtype = t.take("train.dtype")
    if dtype is None:
        t.default("precision", "fp32")
    elif str(dtype) in PRECISIONS:
        t.put("precision", PRECISIONS[str(dtype)], "train.dtype")
    else:
        t.refuse("train.dtype", "the computation is in fp32, bf16 or fp16", "precision")
    checkpointing = t.take_any("train.gradient_checkpointing")
    if checkpointing is None:
        t.default("gradient_checkpointing", True)
    else:
        t.put("gradient_checkpointing", bool(checkpointing), "train.gradient_checkpointing")


def _average(t: Translation) -> None:
    name = "train.ema_config"
    given = t.left[name].value if t.has(name) else {}
    if isinstance(given, dict) and cast("Mapping[str, Any]", given).get("use_ema"):
        t.note(
            name, "has no effect: no moving average of the weights is kept here, and the LoRA is that of the last step"
        )
    t.left.pop(name, None)


def _trigger(t: Translation) -> None:
    for name in ("trigger_word", "datasets.trigger_word"):
        if t.has(name):
            t.note(
                name, "is not added: captions are trained as they are (`curate trigger FOLDER --words WORD` adds it)"
            )


def _noise_levels(t: Translation) -> None:
    """How σ is drawn, by `timestep_type`."""
    scheduler = t.take("train.noise_scheduler")
    if scheduler not in (None, "flowmatch"):
        t.refuse("train.noise_scheduler", f"{t.family.title if t.family else 'it'} is a flow model: flowmatch")
    t.idle(("train.min_snr_gamma", "train.snr_gamma"), "noise levels of flow models have no such weights")
    name = "train.timestep_type"
    kind = str(t.take(name) or "sigmoid")
    if kind in ("linear", "shift", "flux_shift", "lumina2_shift"):
        t.put_or_default("timestep_sampling", "uniform", name)
        _scheduler_shift(t, kind, name)
    elif kind in ("sigmoid", "weighted"):
        t.put_or_default("timestep_sampling", "logit-normal", name)
        t.put_or_default("flow_shift", 1.0, name)
        if kind == "weighted":
            for option, value in WEIGHTED.items():
                t.put(option, value, name)
            t.note(name, "weighted gives noise levels weights; curate draws those of more weight more often instead")
    else:
        t.refuse(name, "read are linear, sigmoid, weighted and shift", "timestep_sampling")


def _scheduler_shift(t: Translation, kind: str, name: str) -> None:
    """The shift of the family's own scheduler, by which pictures are made; none for an even draw."""
    if kind == "linear":
        t.put_or_default("flow_shift", 1.0, name)
    elif t.family is not None and not set(SIZED).isdisjoint(t.family.ai_toolkit):
        t.refuse(name, f"{t.family.title} has no line of shifts over the sizes of pictures", "timestep_sampling")
    elif t.family is not None and "flow_shift" not in t.family.sampling and t.family.shift_line is not None:
        t.put("dynamic_shift", True, name)
    else:
        t.put("flow_shift", float(t.family.sampling.get("flow_shift", 1.0)) if t.family else 1.0, name)


def _diffusion(t: Translation) -> None:
    gamma = t.take("train.min_snr_gamma") or t.take("train.snr_gamma")
    if gamma:
        t.put("min_snr", gamma, "train.min_snr_gamma" if "train.min_snr_gamma" in t.taken else "train.snr_gamma")
    t.take_any("train.noise_scheduler")
    t.idle(("train.timestep_type",), "it is for flow models")
