"""One suite a port, run over every adapter: the port's docstring as tests."""
