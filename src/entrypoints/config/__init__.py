"""Settings: read from the environment, checked, and documented. Imports no other room of the entrypoints."""
