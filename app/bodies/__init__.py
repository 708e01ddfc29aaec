"""Bodies, their seats, and who sits there."""
