"""The command line: python -m dualstack."""
