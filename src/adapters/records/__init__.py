"""The formats of records, shared by all logs."""
