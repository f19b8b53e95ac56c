"""Use cases, and what they need of the world. Imports the domain only."""
