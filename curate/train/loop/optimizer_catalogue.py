"""Optimizers by name: where each is implemented, its own defaults, and which find their own rate."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from curate.core.counting import counted
from curate.diffusion.library_logging import silence_bitsandbytes
from curate.errors import InputError, MissingError

EXTRAS = {"bitsandbytes": "8bit"}
ON_CPU = {"bitsandbytes": (0, 50)}
"""From which version on a package for GPUs steps on a CPU too."""


@dataclass(frozen=True)
class Known:
    """An optimizer that has a name here.

    path      dotted path of its class
    defaults  arguments whose default here differs from the class' own
    aliases   what other programs call its arguments; several names share out a tuple
    """

    path: str
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    aliases: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict[str, str | tuple[str, ...]])


_DECOUPLE = {"decouple": "weight_decouple", "use_bias_correction": "bias_correction"}
# what guides and presets say whenever they say Adafactor; without them its rate hangs on the weights, which start at 0
_FIXED_RATE = {"scale_parameter": False, "relative_step": False, "warmup_init": False}
KNOWN: Mapping[str, Known] = {
    "adamw": Known("torch.optim.AdamW", {"fused": True}),
    "adamw8bit": Known("bitsandbytes.optim.AdamW8bit"),
    "lion8bit": Known("bitsandbytes.optim.Lion8bit"),
    "paged-adamw8bit": Known("bitsandbytes.optim.PagedAdamW8bit"),
    "paged-lion8bit": Known("bitsandbytes.optim.PagedLion8bit"),
    "adafactor": Known("transformers.optimization.Adafactor", _FIXED_RATE),
    "sgd": Known("torch.optim.SGD", {"momentum": 0.9, "nesterov": True}),
    "lion": Known("pytorch_optimizer.Lion"),
    "prodigy": Known("pytorch_optimizer.Prodigy", {"weight_decouple": True}, _DECOUPLE),
    "dadapt-adam": Known("pytorch_optimizer.DAdaptAdam", {"weight_decouple": True}, _DECOUPLE),
    "dadapt-lion": Known("pytorch_optimizer.DAdaptLion", {"weight_decouple": True}, _DECOUPLE),
    "came": Known("pytorch_optimizer.CAME", aliases={"eps": ("eps1", "eps2")}),
    "adopt": Known("pytorch_optimizer.ADOPT", {"weight_decouple": True}),
    "ademamix": Known("pytorch_optimizer.AdEMAMix", {"weight_decouple": True}),
    "stable-adamw": Known("pytorch_optimizer.StableAdamW"),
    "schedule-free": Known("pytorch_optimizer.ScheduleFreeAdamW"),
    "schedule-free-sgd": Known("pytorch_optimizer.ScheduleFreeSGD"),
    "schedule-free-radam": Known("pytorch_optimizer.ScheduleFreeRAdam"),
}


def is_plain(name: str) -> bool:
    """Whether an optimizer is PyTorch's own, by a name of ours: it is installed, and takes what we give it."""
    return name in KNOWN and KNOWN[name].path.startswith("torch.optim.")


def make(name: str, parameters: list[dict[str, Any]], common: dict[str, Any], given: dict[str, Any]) -> Any:
    """An optimizer: `common` where it takes it, its defaults here, then what the user gave, all of which it must take.

    Raises InputError for arguments it does not take and MissingError where it is not installed.
    """
    known = KNOWN.get(name) or Known(name)
    made = installed(known.path)
    _can_step(known.path.split(".")[0], parameters)
    takes = _takes(made)
    given = _by_own_names(name, known, given)
    strange = sorted(given.keys() - takes) if takes else []
    if strange:
        listed = ", ".join(sorted(takes - {"params", "lr"}))
        raise InputError(f"optimizer {name} does not take {', '.join(strange)}", f"it takes {listed}")
    wanted = {k: v for k, v in common.items() if k in takes or not takes} | dict(known.defaults) | given
    if wanted.get("relative_step"):
        wanted["lr"] = None
        parameters = [{**group, "lr": None} for group in parameters]
    try:
        return made(parameters, **wanted)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise InputError(f"optimizer {name} does not take these arguments: {error}") from error


def _by_own_names(name: str, known: Known, given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments under the names that the class has for them. Raises InputError where a tuple has the wrong length."""
    own: dict[str, Any] = {}
    for argument, value in given.items():
        names = known.aliases.get(argument, argument)
        if isinstance(names, str):
            own[names] = value
        elif isinstance(value, tuple) and len(value) == len(names):
            own |= zip(names, value, strict=True)
        else:
            raise InputError(f"optimizer {name}: {argument} takes {counted(len(names), 'value')} separated by commas")
    return own


def _can_step(package: str, parameters: list[dict[str, Any]]) -> None:
    """Raises MissingError where parameters lie on a CPU and the package's version steps on GPUs alone."""
    wanted = ON_CPU.get(package)
    if wanted is None or any(p.device.type != "cpu" for group in parameters for p in group["params"]):
        return
    version = importlib.metadata.version(package)
    found = tuple(int(n) for n in re.findall(r"\d+", version)[:2])
    if found < wanted:
        remedy = (
            f"pip install -U '{package}>={wanted[0]}.{wanted[1]}', or optimizer adamw: on a CPU memory is rarely short"
        )
        raise MissingError(f"{package} {version} has optimizers for GPUs alone, and this run is on a CPU", remedy)


def _takes(made: Any) -> set[str]:
    """Names of the arguments; libraries that swallow any keyword would pass over a misspelt one."""
    parameters = inspect.signature(made).parameters.values()
    return {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}


def installed(path: str) -> Any:
    """The class at a dotted path. Raises MissingError and InputError."""
    module, _, name = path.rpartition(".")
    package = module.split(".")[0]
    silence_bitsandbytes()
    try:
        found = getattr(importlib.import_module(module), name)
    except ImportError as error:
        extra = EXTRAS.get(package)
        remedy = f"pip install 'curate[{extra}]'" if extra else f"install {package}"
        raise MissingError(f"optimizer {path} is not installed: {error}", remedy) from error
    except AttributeError as error:
        raise InputError(f"{module} has no optimizer {name}") from error
    # looked at before it is called: a name may stand for any function there is
    if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
        raise InputError(f"{path} is not an optimizer", "give a class that is a torch.optim.Optimizer")
    closure = inspect.signature(found.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise InputError(f"optimizer {path} evaluates the loss several times a step, which training here does not do")
    return found
