"""Phase two, Skip-GANomaly: network, training, export to ONNX. Needs torch, and only while training."""
