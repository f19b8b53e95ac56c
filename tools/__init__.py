"""Programs for developers: a local Kafka, generated documents, checks."""
