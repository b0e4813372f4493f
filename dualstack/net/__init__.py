"""The verbs, synchronous."""
