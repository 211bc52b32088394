"""A tuned model predicts: texts, files, with torch or without."""
