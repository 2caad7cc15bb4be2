"""Figures of speed and memory, each against a named peer or a stated budget, on the same work in one run."""
