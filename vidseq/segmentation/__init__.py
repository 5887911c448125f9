"""Frame scores to segments, offline and online, and the metrics of segments."""
