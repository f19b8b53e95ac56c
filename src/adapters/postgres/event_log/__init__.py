"""The embedded event log: topics of partitioned, ordered records in PostgreSQL, for one machine without a broker.

Offsets of a partition appear in the order of commits and without gaps, since a writer holds the partition's row from
taking its offsets until its commit. Members of a group share partitions by claims that a heartbeat keeps alive.
"""
