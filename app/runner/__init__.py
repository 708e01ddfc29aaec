"""The build runner: a program of its own that works for a portal over HTTP and imports the standard library only.

Start it as a module (`python -m app.runner`) or as the plain folder it is (`python app/runner`), on any machine.
"""
