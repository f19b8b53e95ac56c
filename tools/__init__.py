"""What developers run: a local Kafka, generated documents, checks."""
