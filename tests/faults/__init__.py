"""Faults injected into real processes, brokers and databases, and the promises checked from outside."""
