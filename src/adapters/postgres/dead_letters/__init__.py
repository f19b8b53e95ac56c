"""The index of dead letters: the statements that note, choose and change letters."""
