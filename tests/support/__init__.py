"""Peers of the gateway for tests: each a class that starts in a folder of its own, is polled until ready, is
ended by its process id, and shows its log when a test fails."""
