"""Duplicates: which pictures of a set show the same, and which of them stays."""

VERSION = 4
"""Raise it when `fingerprint` gives other values than before."""
