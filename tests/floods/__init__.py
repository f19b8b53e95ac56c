"""Floods of bytes. They measure costs, so they run alone."""
