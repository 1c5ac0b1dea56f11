"""Settings as kohya's files hold them, and what becomes of each: an option of ours, a note or a problem."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curate.diffusion.family import Family, families
from curate.train.options.kohya.values import plain


@dataclass(frozen=True, slots=True)
class Setting:
    """A value, and where it was written: `kohya.toml: network_dim`."""

    value: Any
    where: str


Settings = dict[str, Setting]
"""By the name of the training script's argument; an argument of the network is named `network_args.NAME`."""

NETWORK = "network_args."
VERSIONS = ("model_version", "model_type")
"""Settings that choose between families of one script."""
MODULE = "networks.lora_"
"""Beginning of the network modules for one family, which its switch follows."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What cannot be taken over; an option of ours that the user gives himself takes its place where one is named."""

    message: str
    option: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one setting: the option that it sets, or the reason why it sets none."""

    name: str
    where: str
    value: Any
    option: str = ""
    reason: str = ""


@dataclass
class Imported:
    """What files came to.

    values    our options, as the files set them
    defaults  our options that the files leave out, as kohya's scripts have them
    notes     a line for every setting that became no option or another one than it says
    problems  what cannot be taken over
    origins   by our option, the file and the key that set it: `kohya.toml: network_dim`
    outcomes  what became of each setting, in the order of the files
    family    the family of base models that they are for; "" where nothing tells it
    program   whose files they are
    """

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    defaults: dict[str, Any] = field(default_factory=dict[str, Any])
    notes: list[str] = field(default_factory=list[str])
    problems: list[Problem] = field(default_factory=list[Problem])
    origins: dict[str, str] = field(default_factory=dict[str, str])
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    family: str = ""
    program: str = "kohya"

    def messages(self, files: Sequence[str]) -> list[str]:
        """The notes, each with the names of the files that were read."""
        names = ", ".join(Path(file).name for file in files)
        return [f"{names}: {note}" for note in self.notes]

    def refused(self, given: Iterable[str] = ()) -> list[str]:
        """Messages of the problems that the options in `given` do not settle."""
        settled = frozenset(given)
        return [problem.message for problem in self.problems if not problem.option or problem.option not in settled]


class Translation:
    """The settings that are still to be translated, and the result so far.

    musubi   whether they are musubi-tuner's, which alone calls the base `dit`
    switch   what kohya's programs call the family; "" where nothing tells it
    family   the family of models; None where nothing tells it
    """

    def __init__(self, settings: Settings, result: Imported) -> None:
        self.left = dict(settings)
        self.taken: Settings = {}
        self.result = result
        self.musubi = "dit" in settings
        self.switch, self.family = _family(settings)

    def has(self, name: str) -> bool:
        """Whether a setting is there and switched on."""
        return name in self.left and not is_off(self.left[name].value)

    @property
    def flow(self) -> bool:
        """Whether it is a flow model that is trained: by its family, or as it is one of musubi-tuner's."""
        return self.musubi if self.family is None else self.family.objective == "flow"

    def take(self, name: str) -> Any:
        """A setting's value, which is translated now; None where it is not there or switched off."""
        value = self.take_any(name)
        return None if is_off(value) else value

    def take_any(self, name: str) -> Any:
        """A setting's value, which is translated now, 0 and False included; None where it is not there."""
        setting = self.left.pop(name, None)
        if setting is None:
            return None
        self.taken[name] = setting
        return plain(setting.value)

    def number(self, name: str) -> float | None:
        """A setting that must be a number, which is translated now; None where it is not there, or a problem."""
        value = self.take_any(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.result.problems.append(Problem(f"{self.where(name)} = {value!r}: expected a number"))
            return None
        return float(value)

    def where(self, name: str) -> str:
        """The file and the key of a setting."""
        setting = self.taken.get(name) or self.left.get(name)
        return setting.where if setting else name

    def put(self, option: str, value: Any, name: str) -> None:
        """Sets an option by a setting."""
        self.result.values[option], self.result.origins[option] = value, self.where(name)
        setting = self.taken.get(name)
        if setting is not None and not any(
            o.where == setting.where and o.option == option for o in self.result.outcomes
        ):
            self.result.outcomes.append(Outcome(written(setting), setting.where, setting.value, option))

    def default(self, option: str, value: Any) -> None:
        """Sets an option that no file says as kohya's scripts have it."""
        if option not in self.result.values:
            self.result.defaults[option] = value

    def put_or_default(self, option: str, value: Any, name: str) -> None:
        """Sets an option by a setting that was taken, or where it is not given as the program's default."""
        if name in self.taken:
            self.put(option, value, name)
        else:
            self.default(option, value)

    def note(self, name: str, reason: str) -> None:
        """Says why a setting has no effect, or another one."""
        setting = self.left.pop(name, None) or self.taken.get(name)
        self.taken.update({} if setting is None else {name: setting})
        line = f"{written(setting) if setting else name} {reason}"
        if line not in self.result.notes:
            self.result.notes.append(line)
        if setting is not None:
            self.result.outcomes.append(Outcome(written(setting), setting.where, setting.value, reason=reason))

    def idle(self, names: Iterable[str], reason: str) -> None:
        """Notes those of the settings that are switched on."""
        for name in names:
            if self.has(name):
                self.note(name, f"has no effect: {reason}")

    def refuse(self, name: str, reason: str, option: str = "") -> None:
        """Says that a setting cannot be taken over."""
        setting = self.left.pop(name, None) or self.taken.get(name)
        if setting is None:
            self.result.problems.append(Problem(f"{name}: {reason}", option))
            return
        self.taken[name] = setting
        instead = f"; --{option.replace('_', '-')} takes its place" if option else ""
        message = f"{setting.where} = {setting.value!r} has no counterpart: {reason}{instead}"
        self.result.problems.append(Problem(message, option))
        self.result.outcomes.append(
            Outcome(written(setting), setting.where, setting.value, reason=f"refused: {reason}")
        )


def switch_of(family: Family) -> str:
    """What kohya's programs call a family; "" where they do not know it."""
    return next(iter((*family.kohya[1:2], *family.kohya[:1])), "")


def _family(settings: Settings) -> tuple[str, Family | None]:
    """The family that a script, a switch or the network's module names; of several that its version or base names."""
    given = {name for name, setting in settings.items() if not is_off(setting.value)}
    read = ("network_module", "pretrained_model_name_or_path", *VERSIONS)
    module, base, *versions = (str(s.value) if (s := settings.get(n)) else "" for n in read)
    given.add(module.removeprefix(MODULE))
    found = [family for family in families().values() if not given.isdisjoint(family.kohya[:2])]
    own = next((one for one in found if not set(versions).isdisjoint(one.kohya[2:])), None) or of_base(found, base)
    return (switch_of(own), own) if own else ("", None)


def of_base(candidates: Sequence[Family], base: str) -> Family | None:
    """The one of some families whose bases are called so; the first where none is."""
    name = base.replace("\\", "/").rpartition("/")[2].lower()
    fitting = (family for family in candidates if any(re.search(pattern, name) for pattern in family.names))
    return next(fitting, None) or next(iter(candidates), None)


def written(setting: Setting) -> str:
    """A setting's name as its file spells it."""
    return setting.where.rpartition(": ")[2]


def is_off(value: Any) -> bool:
    """Whether a value is one of those by which kohya's programs say that a setting is not wanted."""
    return plain(value) in (None, "", 0, "None", "none", [], {}, ())
