"""I/O: reads of the cluster, the only writes, events and the clock."""
