"""Dead letters: indexed, shown, changed and replayed."""
