"""What a person sees: sections, text, progress."""
