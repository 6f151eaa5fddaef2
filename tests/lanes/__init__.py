"""Lanes: real servers and workers under swarms and kills, each run as `python -m tests.lanes.X`."""
