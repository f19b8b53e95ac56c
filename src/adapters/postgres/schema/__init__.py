"""The schema: the tables, the migrations, and the adoption of a table that the legacy service made."""
