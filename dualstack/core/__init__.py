"""Pure values and decisions: no socket call, no clock, no question which system this is."""
