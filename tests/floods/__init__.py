"""Floods of bytes, whose costs are measured: they run alone."""
