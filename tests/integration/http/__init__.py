"""The HTTP server on real connections, by promise."""
