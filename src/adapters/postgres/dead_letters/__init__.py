"""Dead letters: their index, the jobs that replay them, and the audit log."""
