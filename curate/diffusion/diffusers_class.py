"""From the name of a class of diffusers, as configurations and declarations have it, to the class."""

from __future__ import annotations

from typing import Any


def diffusers_class(name: str) -> Any:
    """The class of that name. Raises ImportError where the installed diffusers has none."""
    import diffusers

    try:
        return getattr(diffusers, name)
    except (AttributeError, RuntimeError) as error:  # what its loading of modules at need makes of a failed import
        raise ImportError(f"diffusers {diffusers.__version__} gives no {name}: {error}") from error
