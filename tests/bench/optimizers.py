"""How far each optimizer moves a LoRA in 40 steps, at one rate and at two: python tests/bench/optimizers.py [NAME …].

A name may be a dotted path, to compare another implementation: prodigyopt.Prodigy, dadaptation.DAdaptAdam (these are
installed by hand). Rates are 1e-3, or 1 for optimizers that find one. Columns: |ΔW| of UNet and text encoder at one
rate, at a tenth of it for the text encoder, at a tenth of it for the UNet.
"""

from __future__ import annotations

import sys
import warnings

from curate.diffusion.load import load
from curate.train.options import OPTIMIZERS
from curate.train.options.optimizer import finds_rate
from tests.train.loop.step_sizes import sizes


def main(names: list[str]) -> None:
    """Prints a row for each optimizer."""
    backbone = load("tiny", True)
    print(f"{'optimizer':<28}{'one rate':>20}{'text / 10':>20}{'UNet / 10':>20}")
    for name in names:
        rate = 1.0 if finds_rate(name) else 1e-3
        cells: list[str] = []
        for unet, text in ((rate, rate), (rate, rate / 10), (rate / 10, rate)):
            moved = sizes(backbone, optimizer=name, unet_lr=unet, text_lr=text, schedule="constant")
            cells.append(f"{moved[0]:.4g} {moved[1]:.4g}")
        print(f"{name:<28}" + "".join(f"{cell:>20}" for cell in cells), flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1:] or [name for name in OPTIMIZERS if "8bit" not in name])
