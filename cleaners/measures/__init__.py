"""Measurements of pictures: noise and artefacts, difference of two pictures."""
