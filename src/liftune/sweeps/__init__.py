"""Many runs at once: a grid of models, methods and seeds on the same rows."""
