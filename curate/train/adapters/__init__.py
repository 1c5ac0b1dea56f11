"""Adapters: one algorithm per file, each a module that adds a ΔW to one layer."""
