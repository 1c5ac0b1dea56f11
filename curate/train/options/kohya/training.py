"""How long and how fast: length, rates, optimizer and schedule, with the defaults of kohya's scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from curate.train.options.kohya.settings import Translation
from curate.train.options.kohya.values import plain

RATE, STEPS = 2e-6, 1600
"""The scripts' learning rate and number of steps where none is given."""
UNDECAYED = ("lion", "pagedlion", "prodigy", "dadapt", "adafactor", "sgd", "came", "radamschedulefree")
"""Beginnings of optimizers whose own weight decay is 0; that of the others is 0.01, as here."""
SCHEDULES = (
    *("constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"),
    *("adafactor", "constant-with-warmup", "cosine-with-restarts", "cosine-restarts"),
)


def translate(t: Translation) -> None:
    """Length, rates, optimizer and schedule."""
    _length(t)
    optimizer = _optimizer(t)
    own_rate = "relative_step=True" in _arguments(t)
    _rates(t, own_rate)
    _schedule(t, optimizer, own_rate)


def _length(t: Translation) -> None:
    if t.has("max_train_epochs"):
        t.put("epochs", t.take("max_train_epochs"), "max_train_epochs")
        t.idle(("max_train_steps",), "max_train_epochs is set")
    elif t.has("max_train_steps"):
        t.put("steps", t.take("max_train_steps"), "max_train_steps")
    else:
        t.default("steps", STEPS)
    t.idle(("epoch",), "the training scripts have no such argument")


def _optimizer(t: Translation) -> str:
    """The optimizer, its arguments and its own weight decay, in kohya's name without upper case."""
    given = str(t.take("optimizer_type") or "")
    name = given or "AdamW"
    for flag, meant in (("use_8bit_adam", "AdamW8bit"), ("use_lion_optimizer", "Lion")):
        if t.take(flag):
            t.put("optimizer", meant, flag)
            name = meant
    if given:
        t.put("optimizer", given, "optimizer_type")
    arguments = t.take("optimizer_args")
    if arguments:
        words: Sequence[Any] = arguments.split() if isinstance(arguments, str) else arguments
        t.put("optimizer_args", tuple(str(word).replace('"', "") for word in words), "optimizer_args")
    kind = name.rpartition(".")[2].lower().replace("_", "")
    if kind == "adafactor":
        _adafactor(t)
    decay = [line for line in _arguments(t) if line.startswith("weight_decay=")]
    if decay:
        t.put("weight_decay", plain(decay[-1].partition("=")[2]), "optimizer_args")
        if kind.startswith("dadapt") and not any(line.startswith("decouple=") for line in _arguments(t)):
            t.result.values["optimizer_args"] += ("decouple=False",)
    elif kind.startswith(UNDECAYED):
        t.default("weight_decay", 0.0)
    return kind


def _arguments(t: Translation) -> tuple[str, ...]:
    return t.result.values.get("optimizer_args") or t.result.defaults.get("optimizer_args") or ()


def _adafactor(t: Translation) -> None:
    """Its rate follows the step unless the arguments say otherwise, and is scaled by the weights."""
    given = {line.partition("=")[0]: line.partition("=")[2] for line in _arguments(t)}
    warmup = given.get("warmup_init", "False") == "True"
    relative = given.get("relative_step", "True") == "True" or warmup
    wanted = {"relative_step": str(relative), "scale_parameter": given.get("scale_parameter", "True")}
    if given.get("relative_step") == "False" and relative:
        t.note("optimizer_args", "relative_step=False has no effect there: warmup_init=True turns it on")
    made = tuple(f"{name}={value}" for name, value in (given | wanted).items())
    if "optimizer_args" in t.result.values:
        t.result.values["optimizer_args"] = made
    else:
        t.default("optimizer_args", made)


def _rates(t: Translation, own_rate: bool) -> None:
    """One rate for all, and one for each part; a part without its own has the one for all."""
    for flag, name, option in (
        ("network_train_unet_only", "text_encoder_lr", "text_lr"),
        ("network_train_text_encoder_only", "unet_lr", "unet_lr"),
    ):
        if t.take(flag):
            t.idle((name,), f"{flag} is set")
            t.left.pop(name, None)
            t.put(option, 0, flag)
    if own_rate:
        names = ("learning_rate", "unet_lr", "text_encoder_lr")
        t.idle(names, "Adafactor sets its own rate with relative_step=True")
        for name in names:
            t.left.pop(name, None)
    else:
        _part_rates(t)


def _part_rates(t: Translation) -> None:
    rate = t.take_any("learning_rate")
    unet = t.take_any("unet_lr")
    text = None if t.flow else _text_rate(t)
    if rate:
        t.put("learning_rate", rate, "learning_rate")
    elif rate is None and not isinstance(unet, int | float):
        t.default("learning_rate", RATE)
    if isinstance(unet, int | float):
        t.put("unet_lr", unet, "unet_lr")
    elif rate == 0 and "unet_lr" not in t.result.values:
        t.put("unet_lr", 0, "learning_rate")
    if text is not None:
        t.put("text_lr", text, "text_encoder_lr")
    elif not t.flow:
        t.default("text_lr", RATE if rate is None else rate)


def _text_rate(t: Translation) -> Any:
    """The text encoders' rate. Two encoders may have one each there, and have one here."""
    value = t.take_any("text_encoder_lr")
    if value is None or value in ("", []):
        return None
    rates = {float(one) for one in value} if isinstance(value, list) else {value}
    if len(rates) > 1:
        t.refuse("text_encoder_lr", "both text encoders have the same rate in curate", "text_lr")
        return None
    return rates.pop()


def _schedule(t: Translation, optimizer: str, own_rate: bool) -> None:
    custom = t.has("lr_scheduler_type")
    name = _custom(t) if custom else t.take("lr_scheduler")
    if custom:
        t.idle(("lr_scheduler",), "lr_scheduler_type takes its place")
        t.idle(("lr_warmup_steps",), "kohya's scripts refuse it beside lr_scheduler_type")
        t.left.pop("lr_warmup_steps", None)
    names = ("lr_scheduler", "lr_scheduler_num_cycles", "lr_scheduler_power", "lr_warmup_steps")
    if own_rate or "schedulefree" in optimizer:
        reason = (
            f"{'Adafactor with relative_step=True' if own_rate else 'a schedule-free optimizer'} has its own schedule"
        )
        if "lr_scheduler" in t.taken and name not in (None, "adafactor"):
            t.note("lr_scheduler", f"has no effect: {reason}")
        t.idle(names, reason)
        return
    if name is not None and name not in SCHEDULES:
        t.refuse("lr_scheduler", f"schedules are {', '.join(SCHEDULES[:6])}", "schedule")
        return
    t.idle(("lr_scheduler_args",), "lr_scheduler_type is not set")
    named = str(name or "constant").replace("_", "-").replace("-with-restarts", "-restarts")
    named = "constant" if named == "adafactor" else named
    warmup = t.take("lr_warmup_steps")
    if named == "constant-with-warmup" and not warmup:
        named = "constant"
    if named == "constant" and warmup:
        t.note("lr_warmup_steps", "has no effect: the schedule is constant")
    elif warmup:
        _warmup(t, warmup)
    if name is None:
        t.default("schedule", named)
    else:
        t.put("schedule", named, "lr_scheduler_type" if custom else "lr_scheduler")
    _shape(t, named)


def _shape(t: Translation, named: str) -> None:
    """Settings of one schedule alone."""
    for option, key, owner in (
        ("cycles", "lr_scheduler_num_cycles", "cosine-restarts"),
        ("power", "lr_scheduler_power", "polynomial"),
    ):
        value = t.take(key)
        if value and named == owner:
            t.put(option, value, key)
        elif value and value != 1:
            t.note(key, f"has no effect: the schedule is {named}")


def _warmup(t: Translation, value: Any) -> None:
    """Whole steps, or a share of the run: there a number with a point is always a share."""
    if isinstance(value, str) and value.strip().endswith("%"):
        value = float(value.strip().rstrip("%")) / 100
    if isinstance(value, float) and value >= 1:
        t.refuse("lr_warmup_steps", "a number with a point is a share of the run, below 1", "warmup")
    else:
        t.put("warmup", value, "lr_warmup_steps")


def _custom(t: Translation) -> str | None:
    """A schedule by its class: torch's cosine is ours where it falls over the whole run.

    After T_max steps torch's rises again, and before them it has not reached zero.
    """
    kind = str(t.take("lr_scheduler_type"))
    given = t.take("lr_scheduler_args") or []
    lines: Sequence[Any] = given.split() if isinstance(given, str) else given
    values: dict[str, str] = {}
    for line in lines:
        key, _, value = str(line).replace('"', "").partition("=")
        values[key] = value
    if kind.rpartition(".")[2] == "CosineAnnealingLR" and float(values.get("eta_min", 0) or 0) == 0:
        return _annealing(t, values.get("T_max", ""))
    t.refuse("lr_scheduler_type", "schedules are chosen by name", "schedule")
    return None


def _annealing(t: Translation, over: str) -> str | None:
    """torch's CosineAnnealingLR over as many steps; the run's length is known where it is given in steps."""
    steps = t.result.values.get("steps", t.result.defaults.get("steps"))
    if not over.isdigit() or "epochs" in t.result.values or steps is None:
        given = over if over.isdigit() else "T_max"
        t.note("lr_scheduler_type", f"is cosine if the run is as long as {given}: it falls over the whole run here")
    elif int(over) != int(steps):
        after = "rises again after them" if int(over) < int(steps) else "does not reach zero"
        reason = f"it falls over T_max={over}, and the run is of length {steps}: the rate {after}"
        t.refuse("lr_scheduler_type", reason, "schedule")
        return None
    return "cosine"
