"""The functions that one event passes: `python -m tools.trip`."""
