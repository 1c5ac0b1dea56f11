"""Backbones: one model family per file, found by what a model folder or file holds."""

from __future__ import annotations

from curate.train.backbones._base import Backbone, Conditions
from curate.train.backbones._load import Want, load

__all__ = ["Backbone", "Conditions", "Want", "load"]
