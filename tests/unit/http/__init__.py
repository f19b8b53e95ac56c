"""The HTTP API over the adapters in memory."""
