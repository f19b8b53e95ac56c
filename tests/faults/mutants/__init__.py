"""Seeded mistakes, each of which has to turn one scenario red: the proof of the suite itself."""
