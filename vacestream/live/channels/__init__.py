"""The ways in which a stream that runs is told things, each a door with a thread of its own."""
