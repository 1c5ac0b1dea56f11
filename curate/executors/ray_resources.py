"""Ray resources: what a worker of a chain asks a Ray cluster for, and how many there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray

from curate.core.chain import Prepared
from curate.core.stage import Env, Resources
from curate.errors import MissingError


def needs(chain: Sequence[Prepared], env: Env) -> Resources:
    """What a worker asks Ray for.

    A model's worker gets its share of its node's cores beside its GPUs; without GPUs, the cores of the smallest node,
    since each worker loads the model. Raises MissingError where a GPU is required and the cluster has none.
    """
    asked = [p.stage.requirements() for p in chain]
    cpus, gpus = max(r.cpus for r in asked), max(r.gpus for r in asked)
    memory = max(r.memory for r in asked) + _model_bytes(chain, env)
    if not gpus:
        return Resources(cpus, 0, memory=memory)
    nodes: list[Any] = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    with_gpus = [node for node in nodes if node.get("GPU", 0) >= gpus]
    if with_gpus and env.device != "cpu":
        share = min(int(n.get("CPU", 0) * gpus // n["GPU"]) for n in with_gpus)
        return Resources(max(cpus, share), gpus, memory=memory)
    if env.require_gpu:
        raise MissingError("a GPU is required, and no node of the Ray cluster has one", "see `ray status`")
    return Resources(min((int(n["CPU"]) for n in nodes if n.get("CPU", 0) >= cpus), default=cpus), 0, memory=memory)


def _model_bytes(chain: Sequence[Prepared], env: Env) -> int:
    """The size of the model and data files of a chain: its worker holds what is in them."""
    files = {path for prepared in chain for path in prepared.stage.files(env)}
    return sum(path.stat().st_size for path in files if path.is_file())


def options(needed: Resources) -> dict[str, float]:
    """What is needed, as Ray takes it."""
    return {"num_cpus": needed.cpus, "num_gpus": needed.gpus, "memory": needed.memory}


def room(needed: Resources) -> int:
    """How many workers fit on what is free, 1 at least."""
    free = ray.available_resources()
    asked = (("CPU", needed.cpus), ("GPU", needed.gpus), ("memory", needed.memory))
    return max(1, min(int(free.get(name, 0) // count) for name, count in asked if count))


def shortage(needed: Resources) -> str:
    """What a worker needs, and what is free in the cluster now."""
    free = ray.available_resources()
    cpus, gpus, memory = (free.get(name, 0) for name in ("CPU", "GPU", "memory"))
    wanted = f"{needed.cpus} CPU, {needed.gpus} GPU and {needed.memory / 1e9:.1f} GB of memory on one node"
    return f"{wanted}; free when it was asked for: {int(cpus)}, {int(gpus)} and {memory / 1e9:.1f} GB"
