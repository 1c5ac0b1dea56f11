"""One thread and a cache of their own, as the trainer's tests have."""

from tests.train.conftest import one_thread, own_cache

__all__ = ["one_thread", "own_cache"]
