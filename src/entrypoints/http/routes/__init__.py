"""Routes: what each URL does."""
