"""A stream that runs in real time, and what steers it."""
