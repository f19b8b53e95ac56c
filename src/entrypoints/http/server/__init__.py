"""The HTTP/1.1 server between a socket and an ASGI application."""
