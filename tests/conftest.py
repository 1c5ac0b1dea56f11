"""What all tests share: no network, no time limit on a single drawn example."""

from __future__ import annotations

import os

from hypothesis import settings

# a hub that is asked by mistake must fail at once, not slowly
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

settings.register_profile("curate", deadline=None)
settings.load_profile("curate")
