"""The HTTP server: what stands between a socket and an ASGI application."""
