"""`user-events dlq`: look into dead letters, mend and replay them."""
