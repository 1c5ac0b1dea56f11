"""The trainer's fixtures: a prepared folder, a cache of their own, one thread."""

from tests.train.conftest import folder, one_thread, own_cache

__all__ = ["folder", "one_thread", "own_cache"]
