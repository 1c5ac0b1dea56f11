"""Pictures drawn from a base model and any LoRAs, and grids of them."""
