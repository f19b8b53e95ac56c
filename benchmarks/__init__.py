"""Benchmarks: the service against its physical limits and against plain code, see `__main__`."""
