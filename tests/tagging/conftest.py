"""Records and stages without a runner, as in the tests of the stages."""

from tests.stages.conftest import apply, env, record

__all__ = ["apply", "env", "record"]
