"""Puts what files say beneath what the user says himself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from curate.train.options.kohya.settings import Imported
from curate.train.options.optimizer import finds_rate

LENGTHS = ("epochs", "steps", "showings")


def beneath(result: Imported, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The files' values and kohya's defaults that go beneath `given`: all but those that it takes the place of.

    A length takes the place of any other length; another optimizer that of the arguments and rates chosen for the
    file's; one learning rate that of the UNet's, and of the text encoders' where the file gives them none.
    """
    values, defaults = dict(result.values), dict(result.defaults)
    gone: set[str] = set(given)
    if any(given.get(option) is not None for option in LENGTHS):
        gone |= set(LENGTHS)
    elif any(option in values for option in LENGTHS):
        defaults = {option: value for option, value in defaults.items() if option not in LENGTHS}
    if "optimizer" in given and given["optimizer"] != values.get("optimizer"):
        gone |= {"optimizer_args", "weight_decay"}
        if finds_rate(str(given["optimizer"])) != finds_rate(str(values.get("optimizer", ""))):
            gone |= _rates(values, defaults)
    if "learning_rate" in given:
        gone |= {"unet_lr"} if values.get("unet_lr") else set()
        if "text_lr" in defaults:
            defaults["text_lr"] = given["learning_rate"]
    if "weight_decay" in given and "optimizer_args" in values:
        kept = (line for line in values["optimizer_args"] if not line.startswith("weight_decay="))
        values["optimizer_args"] = tuple(kept)
    return (
        {option: value for option, value in values.items() if option not in gone},
        {option: value for option, value in defaults.items() if option not in gone and option not in values},
    )


def _rates(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> set[str]:
    """Rates that are switched on: a part that is left out stays out."""
    names = ("learning_rate", "unet_lr", "text_lr")
    return {name for name in names if values.get(name, defaults.get(name)) != 0}
