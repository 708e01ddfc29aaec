"""The parts of `make serve`: checks of the machine, opening the portal, its processes, and the first release."""
