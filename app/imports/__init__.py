"""Files that say who is who and for whom: read, shown as changes with every problem's line, applied, and undone."""
