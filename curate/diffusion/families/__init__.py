"""The families of base models, a file each: see `curate.diffusion.family`."""
