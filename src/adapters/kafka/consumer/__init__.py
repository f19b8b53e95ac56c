"""Reads a topic as a member of a consumer group."""
