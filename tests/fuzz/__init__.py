"""Fuzzing: inputs by the thousand, made by grammars of what clients send and of what they should not."""
