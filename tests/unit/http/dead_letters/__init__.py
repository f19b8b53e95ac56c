"""The HTTP API of dead letters, over the adapters in memory."""
