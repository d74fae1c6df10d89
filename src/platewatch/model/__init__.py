"""The model folder, the ONNX runtimes, and the inspector that judges photographs with them."""
