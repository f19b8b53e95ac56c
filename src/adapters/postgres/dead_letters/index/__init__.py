"""The index of dead letters: the statements that note, list, change and rebuild it."""
