"""A plug-in: one public stage in a module that is reached by its dotted path."""

from __future__ import annotations

from tests.core.stages import _Step


class Plugin(_Step):
    """Adds its word to the tags."""
