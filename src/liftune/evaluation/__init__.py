"""Evidence: baselines, scores with intervals, paired comparison. Numpy above the model seam."""
