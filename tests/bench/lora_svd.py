"""Singular values of a LoRA by QR of its factors against a full SVD of its change, at SDXL's shapes.

    python tests/bench/lora_svd.py            # rank 128, all of SDXL's transformer shapes: two minutes on two cores

Both run in turn on the same factors, in float32 for the full SVD, which favors it, and in float64 for QR, as
`curate lora resize` computes. The full SVD is that of `torch.linalg.svd` with the vectors that a resize needs.
"""

from __future__ import annotations

import argparse
import time

import torch

from curate.adapters.spectrum import FactorSpectrum

SHAPES = {
    "attention 640": (640, 640),
    "attention 1280": (1280, 1280),
    "text keys 1280": (1280, 2048),
    "feed-forward in 1280": (10240, 1280),
    "feed-forward out 1280": (1280, 5120),
    "convolution 640": (640, 640 * 9),
    "convolution 1280": (1280, 1280 * 9),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rank", type=int, default=128)
    rank = parser.parse_args().rank
    torch.manual_seed(0)
    totals = [0.0, 0.0]
    print(f"rank {rank}, {torch.get_num_threads()} threads")
    print(f"{'layer':<22} {'full SVD':>10} {'QR':>10} {'faster':>8} {'largest difference':>20}")
    for name, (out, into) in SHAPES.items():
        up, down = torch.randn(out, rank), torch.randn(rank, into)
        start = time.perf_counter()
        _, full, _ = torch.linalg.svd(up @ down, full_matrices=False)
        middle = time.perf_counter()
        spectrum = FactorSpectrum(up, down)
        spectrum.factors(rank)
        end = time.perf_counter()
        slow, quick = middle - start, end - middle
        totals = [totals[0] + slow, totals[1] + quick]
        difference = float((full[:rank].double() - spectrum.values).abs().max() / full[0])
        print(f"{name:<22} {slow:>9.2f}s {quick:>9.3f}s {slow / quick:>7.0f}x {difference:>20.1e}")
    print(f"{'together':<22} {totals[0]:>9.2f}s {totals[1]:>9.3f}s {totals[0] / totals[1]:>7.0f}x")


if __name__ == "__main__":
    main()
