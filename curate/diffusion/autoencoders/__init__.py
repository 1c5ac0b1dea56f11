"""Autoencoders: pictures to latents as the networks take them, and back."""
