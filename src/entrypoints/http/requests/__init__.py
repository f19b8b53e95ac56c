"""Parsing and checking of requests: bodies, parameters, content negotiation."""
