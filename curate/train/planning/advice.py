"""What experience says against a choice: warnings, never prohibitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from curate.adapters.algorithm import algorithm
from curate.core.counting import counted
from curate.diffusion.family import Family, families, family
from curate.train.data.order import Order
from curate.train.options import TrainOptions, resolve

BATCH = 4
Line = tuple[str, str]
"""Level (warning, advice) and what is said."""


@dataclass(frozen=True)
class Setting:
    """What advice hangs on besides the options: the base's family, its native resolution, zero terminal SNR."""

    family: str
    native: int
    ztsnr: bool = False


def lines(options: TrainOptions, setting: Setting, order: Order) -> list[Line]:
    """Everything there is to say before the start."""
    own = family(setting.family)
    found = [*_network(options, own), *_dropouts(options), *_run(options, own), *_base(options, setting)]
    found += _data(options, order)
    found += _length(options, order)
    return [("warning", line) for line in found]


def _network(o: TrainOptions, own_family: Family) -> Iterator[str]:
    preset = resolve.layer_preset(o, own_family)
    ranks, own = resolve.ranks(o), algorithm(o.algo)
    most, conv_most = own.most_rank, own.most_conv_rank
    if most and ranks.rank > most:
        yield f"{o.algo} with rank {ranks.rank} also learns noise: more than {most} is rarely better"
    spatial = own_family.convolutions and preset in ("full", "unet-only", "unet-convblock-only")
    if spatial and conv_most and o.conv_rank and o.conv_rank > conv_most:
        yield f"conv_rank {o.conv_rank}: convolutions with a rank above {conv_most} learn texture and noise first"
    if ranks.rank < resolve.FULL and ranks.alpha > ranks.rank:
        times = ranks.alpha / ranks.rank
        yield f"alpha {ranks.alpha:g} is above rank {ranks.rank}: every step is {times:g} times as large"
    if o.dora and o.dropout:
        yield "dropout has little effect with dora: use rank_dropout or module_dropout"


def _dropouts(o: TrainOptions) -> Iterator[str]:
    for name, low, high in (("dropout", 0.1, 0.5), ("rank_dropout", 0.1, 0.3), ("module_dropout", 0.1, 0.3)):
        value = getattr(o, name)
        if value and not low <= value <= high:
            yield f"{name} {value:g} is outside the usual {low:g} to {high:g}"


def _run(o: TrainOptions, own_family: Family) -> Iterator[str]:
    preset = resolve.layer_preset(o, own_family)
    if resolve.adaptive(o):
        if resolve.schedule(o) != "cosine":
            given = f"{o.optimizer} with schedule {resolve.schedule(o)}"
            yield f"{given}: an optimizer that finds its own learning rate works best with cosine"
        if o.learning_rate is not None and not 0.1 <= o.learning_rate <= 2:
            given = f"learning_rate {o.learning_rate:g}"
            yield f"{o.optimizer} finds its own learning rate: {given} only scales it, usually with 1"
    elif rates := algorithm(o.algo).rates:
        low, high = rates
        if not low <= resolve.learning_rate(o) <= high:
            yield f"{o.algo} needs a learning rate of {low:g} to {high:g}, not {resolve.learning_rate(o):g}"
    if o.text_lr and preset.startswith("unet"):
        yield f"text_lr has no effect: layer_preset {preset} does not train the text encoders"
    if o.batch > BATCH:
        yield f"batch {o.batch}: larger than {BATCH} needs a higher learning rate and more epochs"


def _base(o: TrainOptions, setting: Setting) -> Iterator[str]:
    if o.largest_resolution and o.largest_resolution > setting.native:
        above = f"resolution {o.largest_resolution} is above the base's own {setting.native}"
        yield f"{above}: limbs and heads may appear twice"
    own = family(setting.family)
    if own.objective == "flow" and (o.noise_offset or o.adaptive_noise):
        yield f"noise_offset: {own.title} starts pictures from plain noise, which an offset is not; colors may drift"
    if o.distilled:
        yield "distilled: training undoes what makes few steps enough; draw with more steps and guidance"
    if not own.clip_skip and o.clip_skip > 1:
        yield f"clip_skip has no effect: {own.title} always reads the same layer of its text encoders"
    ztsnr = setting.ztsnr if o.ztsnr is None else o.ztsnr
    if ztsnr and o.scale_v:
        yield "scale_v defeats zero terminal SNR: the loss of the last timestep becomes 0"
    if ztsnr and o.noise_offset:
        yield "noise_offset is useless with zero terminal SNR, which already learns dark and bright pictures"
    if name := o.guide:
        written_for = [family for family, found in families().items() if name in found.guides]
        if written_for and setting.family not in written_for:
            yield f"guide {name} was written for {', '.join(written_for)}, and the base is {setting.family}"


def _data(o: TrainOptions, order: Order) -> Iterator[str]:
    if o.batch == 1:
        return
    sizes = Counter[object]()
    for group, repeats in zip(order.groups, order.repeats, strict=True):
        sizes[group] += repeats
    small = sum(count < o.batch for count in sizes.values())
    if small:
        which = f"{small} of {len(sizes)} buckets"
        yield f"{which} have fewer pictures per epoch than a batch: their batches are smaller"


def _length(o: TrainOptions, order: Order) -> Iterator[str]:
    each, warm = order.batches_per_epoch, resolve.warmup(o)
    steps = o.epochs * order.steps_per_epoch if o.epochs else o.steps
    if steps and warm >= max(1, steps):
        whole = f"the run of {counted(steps, 'step')}"
        yield f"warmup {warm:g} is as long as {whole}: the learning rate never reaches its full value"
    if o.schedule == "cosine-restarts" and steps and o.cycles > max(1, steps // 2):
        yield f"cycles {o.cycles} are more than a run of {counted(steps, 'step')} can have"
    if o.accumulate > each:
        reason = "an epoch has no more batches, and a step ends with the epoch"
        yield f"accumulate {o.accumulate} has no effect above {each}: {reason}"
