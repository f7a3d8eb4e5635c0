"""Sources and sinks: files, images, pipes and patterns <-> frames uint8 [T H W 3]."""
