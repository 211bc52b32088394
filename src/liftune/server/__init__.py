"""Tuned models over HTTP: one server for many classifiers.

In: runs and bundles, requests.  Out: predictions as `predict --json` prints them, a page, metrics.
Not here: what a prediction is (inference/prediction.py), the models (models/, inference/onnx_bundle.py).
"""
