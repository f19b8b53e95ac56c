"""The api and the consumer as processes: start, health, logs, watchdog and shutdown."""
