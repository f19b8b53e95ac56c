"""PostgreSQL: the table of events, the embedded event log, and the migrations of both."""
