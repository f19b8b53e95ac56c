"""Dead letters in memory: the index, the jobs, and the audit log, over tables that they share."""
