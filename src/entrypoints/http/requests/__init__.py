"""From the bytes of a request to what a use case takes."""
