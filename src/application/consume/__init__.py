"""What happens to a record: one worker a partition stores it or sends it to the dead-letter queue, then commits it."""
