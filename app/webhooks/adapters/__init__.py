"""The way out: names resolved, addresses judged, and messages sent to those very addresses."""
