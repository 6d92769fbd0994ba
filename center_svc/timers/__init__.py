"""What the clock makes the center decide."""
