"""The base: its family, its files and how it is kept in memory."""

from __future__ import annotations

from curate.diffusion.family import Family, families, titles
from curate.train.options.kohya.settings import Problem, Translation, of_base

FLAGS = {
    "model.is_xl": "sdxl",
    "model.is_v2": "sd2",
    "model.is_v3": "sd3",
    "model.is_flux": "flux",
    "model.is_lumina2": "lumina2",
}
"""How older files name the family."""
STORED = {"qfloat8": "fp8", "float8": "fp8", "qint8": "int8", "int8": "int8"}
"""Formats of the base's weights, and ours."""


def translate(t: Translation) -> None:
    """Base, family, precision of the weights, compilation."""
    t.family = _family(t)
    if t.take("model.is_v_pred"):
        t.put("prediction", "v", "model.is_v_pred")
    _precision(t)
    for name in ("model.block_compile", "model.compile"):
        if t.take(name):
            t.put("compile", True, name)


def _family(t: Translation) -> Family | None:
    """The family that `arch` names; what stands behind a colon is of the window alone."""
    flagged = [arch for flag, arch in FLAGS.items() if t.take(flag)]
    named = str(t.take("model.arch") or next(iter(flagged), "sd1")).partition(":")[0]
    base = t.left.get("model.name_or_path")
    found = [family for family in families().values() if named in family.ai_toolkit]
    own = of_base(found, str(base.value) if base else "")
    if own is None:
        message = f"{t.where('model.arch')} = {named!r} is another family of models; curate trains {titles()}"
        t.result.problems.append(Problem(message))
    return own


def _precision(t: Translation) -> None:
    given, kind = t.take("model.quantize"), str(t.take("model.qtype") or "qfloat8")
    if not given:
        return
    plain, _, adapter = kind.partition("|")
    if adapter or plain not in STORED:
        name = "model.qtype" if "model.qtype" in t.taken else "model.quantize"
        t.refuse(name, f"the base is kept in {', '.join(dict.fromkeys(STORED.values()))} or nf4", "base_precision")
    else:
        t.put("base_precision", STORED[plain], "model.quantize")
    t.take_any("model.accuracy_recovery_adapter")
