"""What a stage draws with: device, ledger and events of its environment."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from curate.core.env import Env
from curate.core.events import Listener
from curate.core.store import Store, ledger_place
from curate.diffusion.device import resolve_device
from curate.sampling.drawing_base import Context


@contextlib.contextmanager
def open_context(env: Env, tell: Listener, stage: str) -> Generator[tuple[Context, Store]]:
    """The ledger is the driver's, or the folder's own where no driver has it open. Raises MissingError for a GPU."""
    with contextlib.ExitStack() as stack:
        store = env.store or stack.enter_context(Store(ledger_place(env.output)))
        device = resolve_device(env.device, env.require_gpu)
        yield Context(device, env.offline, tell, env.stopping, store.file_digests, stage), store
