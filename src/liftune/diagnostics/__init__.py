"""What linear models say of the rows themselves."""
