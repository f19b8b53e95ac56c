"""Benchmarks of the service beside its physical limits and beside plain code, see `__main__`."""
