"""A tuned model for use elsewhere: plain weights, or a bundle that runs without torch; every export is checked."""
