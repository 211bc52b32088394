"""What the machine can do, and what to do with it."""
