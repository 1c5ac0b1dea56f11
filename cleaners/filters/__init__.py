"""Filters that cleaners are made of."""
