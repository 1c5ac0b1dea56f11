"""Backbones: one model family per file, found by what a model folder or file holds."""

from __future__ import annotations

from curate.diffusion.base import Backbone, Conditions
from curate.diffusion.load import Want, load

__all__ = ["Backbone", "Conditions", "Want", "load"]
