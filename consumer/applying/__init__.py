"""The apply thread: partitions taken, batches written with their positions, failures judged, letters that come back."""
