"""From options to adapters on a base: which layers, and of which algorithm, rank and alpha each is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

import torch

from curate.adapters.algorithm import algorithm, for_norms
from curate.adapters.base import Adapter, Plan, Shape
from curate.adapters.layer_name import LayerName
from curate.adapters.make import make
from curate.core.findings import combined
from curate.diffusion.base import Backbone
from curate.diffusion.family import Family
from curate.diffusion.layer_names import CONVOLUTIONS, select_layers
from curate.errors import InputError
from curate.train.network import warm_start
from curate.train.network.network import Make, Network, no_layer, trainable
from curate.train.network.plan import plan as layer_plan
from curate.train.network.plan import rate
from curate.train.options import TrainOptions, presets, resolve
from curate.train.options.layer_rules import Rule, numbers, rules
from curate.train.options.network import BY_BLOCK
from curate.train.options.no_effect import no_effect


def attach(options: TrainOptions, backbone: Backbone) -> Network:
    """The adapters that the options ask for, on the backbone.

    Raises InputError where an option fits no layer of this base, before anything is trained.
    """
    started = _started(options, backbone)
    file = started if options.rank_from_file else None
    layer_names, make_one = _choice(options, backbone, file)

    def decomposed(layer_name: LayerName) -> bool:
        return options.dora if file is None else "dora_scale" in file[layer_name.key]

    network = Network.attach(backbone, layer_names, make_one, options.seed, decomposed)
    try:
        check(options, backbone.family, network.adapters, network.layer_names)
        if started is not None:
            _fill(options, backbone, network.adapters, started, keep_scale=options.alpha is not None)
    except InputError:
        network.detach()
        raise
    return network


def plan_network(options: TrainOptions, backbone: Backbone) -> dict[str, Adapter]:
    """The adapters that `attach` would put on a backbone, without values; nothing is attached.

    Raises InputError as `attach` does, for a file to go on from too.
    """
    started = _started(options, backbone)
    adapters: dict[str, Adapter] = {}
    used: dict[str, LayerName] = {}
    with torch.device("meta"):
        layer_names, make_one = _choice(options, backbone, started if options.rank_from_file else None)
        for layer_name in layer_names:
            layer = trainable(backbone, layer_name)
            adapter = make_one(layer_name, Shape.of(layer)) if layer is not None else None
            if adapter is not None:
                adapters[layer_name.key], used[layer_name.key] = adapter, layer_name
    if not adapters:
        raise no_layer()
    check(options, backbone.family, adapters, used)
    if started is not None:
        _fill(options, backbone, adapters, started, keep_scale=False)
    return adapters


def _started(options: TrainOptions, backbone: Backbone) -> warm_start.Layers | None:
    """What the file to go on from holds. Raises InputError for one that is not of the base's family."""
    if not options.start_from:
        return None
    with warm_start.of_family(options.start_from, backbone.family):
        return warm_start.read(options.start_from, backbone.layer_names())


def _fill(
    options: TrainOptions,
    backbone: Backbone,
    adapters: Mapping[str, Adapter],
    started: warm_start.Layers,
    *,
    keep_scale: bool,
) -> None:
    """Puts the values of the file to go on from into the adapters. Raises InputError where they do not fit."""
    with warm_start.of_family(options.start_from, backbone.family):
        warm_start.fits(adapters, started)
        for name, adapter in adapters.items():
            warm_start.fill(name, adapter, started[name], keep_scale=keep_scale)


def _choice(options: TrainOptions, backbone: Backbone, file: warm_start.Layers | None) -> tuple[list[LayerName], Make]:
    """Which layers are trained, and what makes the adapter of one: as the options say, or as a file has them."""
    if file is not None:
        # those of a part whose rate is 0 would be lost, which is an error
        plans = warm_start.maker(file, options)
        trained = [name for name in backbone.layer_names() if name.key in file and rate(options, name)]
        return trained, lambda name, shape: warm_start.build(shape, plans[name.key], name.key)
    everything = backbone.layer_names()
    preset = resolve.layer_preset(options, backbone.family)
    if preset == CONVOLUTIONS and not backbone.family.convolutions:
        raise InputError(
            f"layer_preset {preset}: {backbone.family.title} has no blocks of convolutions", "leave it out"
        )
    trained = filter_layers(options, select_layers(everything, preset, options.train_norm), preset)
    layers = Layers(options, everything, trained)

    def make_one(layer_name: LayerName, shape: Shape) -> Adapter | None:
        found = None if rate(options, layer_name) == 0 else layers.plan(layer_name, shape)
        return make_adapter(layer_name, shape, *found) if found else None

    return trained, make_one


def make_adapter(layer_name: LayerName, shape: Shape, algo: str, plan: Plan) -> Adapter:
    """A layer's adapter. Raises InputError where the layer's shape forbids the plan."""
    try:
        return make(algo, shape, plan)
    except ValueError as error:
        raise InputError(f"{layer_name.key}: {error}", "another rank, or exclude") from error


class Layers:
    """What each layer's adapter is built with."""

    def __init__(self, options: TrainOptions, base: Sequence[LayerName], trained: Sequence[LayerName]) -> None:
        """`base` are all layers of the base model, `trained` those trained.

        Raises InputError for a wrong count of blocks and a pattern that fits no layer.
        """
        self.options, self.rules = options, rules(options.layers)
        for rule in self.rules:
            if not any(matches(rule.pattern, layer_name) for layer_name in trained):
                raise InputError(f"layers: no trained layer matches {rule.pattern!r}")
        blocks = 1 + max(layer_name.block for layer_name in base)
        self.by_block: dict[str, list[float]] = {}
        for name in BY_BLOCK:
            if text := getattr(options, name):
                self.by_block[name] = numbers(text)
                if (count := len(self.by_block[name])) != blocks:
                    raise InputError(f"{name} has {count} values, and the base model has {blocks} blocks")

    def plan(self, layer_name: LayerName, shape: Shape) -> tuple[str, Plan] | None:
        """Algorithm and plan of a layer: of the first rule that fits, else its block's, else the run's; or None."""
        if layer_name.kind in ("norm", "resnet-norm"):
            return for_norms(), Plan(1, 1.0)
        rule = next((r for r in self.rules if matches(r.pattern, layer_name)), None)
        algo, plan = self._by_rule(rule, shape) if rule is not None else self._by_run(layer_name, shape)
        if plan is None:
            return None
        return algo, replace(plan, on_input=layer_name.path.endswith(algorithm(algo).input_layers))

    def _by_run(self, layer_name: LayerName, shape: Shape) -> tuple[str, Plan | None]:
        plan = layer_plan(self.options, shape.spatial)
        if layer_name.block < 0 or not self.by_block:
            return self.options.algo, plan
        return self.options.algo, self._of_block(plan, layer_name.block, shape.spatial)

    def _by_rule(self, rule: Rule, shape: Shape) -> tuple[str, Plan]:
        options = self.options
        if rule.algo and rule.algo != options.algo:
            # another algorithm has sizes of its own: the run's were given for the run's
            own = dict.fromkeys(("rank", "alpha", "conv_rank", "conv_alpha"), None)
            options = options.model_copy(update={"algo": rule.algo, **own})
        return options.algo, _ranked(layer_plan(options, shape.spatial), rule.rank, rule.alpha)

    def _of_block(self, plan: Plan, block: int, spatial: bool) -> Plan | None:
        options, found = self.options, {name: values[block] for name, values in self.by_block.items()}
        rank, alpha = found.get("block_ranks"), found.get("block_alphas")
        if spatial:
            # kernels have a rank of their own where one was given, or where the algorithm has one
            own = algorithm(options.algo).conv_rank is not None or options.conv_rank is not None
            rank = found.get("conv_block_ranks", None if own and rank else rank)
            alpha = found.get("conv_block_alphas", None if own or options.conv_alpha is not None else alpha)
        if rank == 0:
            return None
        return _ranked(plan, None if rank is None else int(rank), alpha)


def _ranked(plan: Plan, rank: int | None, alpha: float | None) -> Plan:
    """Another rank at the same scale, unless an alpha is given."""
    rank = plan.rank if rank is None else rank
    alpha = plan.alpha * rank / plan.rank if alpha is None else alpha
    return replace(plan, rank=rank, alpha=alpha, full_matrix=rank >= resolve.FULL)


def matches(pattern: str, layer_name: LayerName) -> bool:
    """Whether a layer's file name holds a part that fits a shell pattern."""
    return fnmatchcase(layer_name.key, f"*{pattern}*")


def filter_layers(options: TrainOptions, layer_names: list[LayerName], preset: str) -> list[LayerName]:
    """The layers that `include` and `exclude` leave. Raises InputError for a pattern that fits none."""
    for name in ("include", "exclude"):
        for pattern in getattr(options, name):
            if not any(matches(pattern, layer_name) for layer_name in layer_names):
                raise InputError(f"{name}: no layer of layer_preset {preset} matches {pattern!r}")
    inside = [n for n in layer_names if not options.include or any(matches(p, n) for p in options.include)]
    return [n for n in inside if not any(matches(p, n) for p in options.exclude)]


SPATIAL = ("conv_rank", "conv_alpha", "conv_block_ranks", "conv_block_alphas", "tucker")


def check(
    options: TrainOptions, family: Family, adapters: Mapping[str, Adapter], layer_names: Mapping[str, LayerName]
) -> None:
    """Raises InputError that names every option that was given, not by a guide, and changes none of these layers."""
    if wrong := list(_idle(options, family, adapters, layer_names)):
        raise combined(wrong)


def _idle(
    options: TrainOptions, family: Family, adapters: Mapping[str, Adapter], layer_names: Mapping[str, LayerName]
) -> Iterator[InputError]:
    given = [name for name in SPATIAL if getattr(options, name) and not presets.sets(options, name)]
    if given and not any(adapter.shape.spatial for adapter in adapters.values()):
        remedy = "choose a layer_preset with convolutions: full" if family.convolutions else "leave {it} out"
        yield no_effect(given, ": no kernel larger than 1×1 is trained", remedy)
    if options.text_lr and family.stored_text and all(name.part == "unet" for name in layer_names.values()):
        yield no_effect(["text_lr"], f": no layer beside {family.title}'s network is trained")
    if options.train_norm and not any(adapter.algorithm.norms for adapter in adapters.values()):
        preset = resolve.layer_preset(options, family)
        yield no_effect(["train_norm"], f": layer_preset {preset} holds no norm layers")
    by_block = [name for name in ("block_ranks", "block_alphas") if getattr(options, name)]
    if by_block and all(layer_name.block < 0 for layer_name in layer_names.values()):
        yield no_effect(by_block, ": no block of the UNet is trained")
