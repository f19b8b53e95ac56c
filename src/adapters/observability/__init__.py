"""Ports that log what passes through them."""
