"""What the clock makes this silo decide."""
