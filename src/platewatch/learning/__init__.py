"""Good photographs into a model folder: preflight, fit, out-of-fold scores, sensitivity trials."""
