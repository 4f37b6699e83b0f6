"""How many may listen at one node: the socket beside what a team would pick."""
