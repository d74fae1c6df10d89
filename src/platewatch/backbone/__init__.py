"""Texture features: an ImageNet network from a local file, traced to an ONNX graph, while training."""
