"""A simulated provider as a child process; see `bursar.simulator.serve`."""

from bursar.simulator.serve import child_main

if __name__ == "__main__":
    child_main()
