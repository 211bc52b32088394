"""Tuned models over HTTP: one server for many classifiers.

In: runs and bundles, requests.  Out: answers as `predict --json` gives them, a page, metrics.
Not here: what an answer is (answers.py), the models (models/, runtime/).
"""
