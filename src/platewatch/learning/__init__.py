"""Training: good photographs → model folder; preflight, fitting, out-of-fold scores, sensitivity trials."""
