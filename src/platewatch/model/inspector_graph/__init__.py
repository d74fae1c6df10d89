"""One file for other runtimes: the whole inspector as one ONNX graph, built and compared with the product."""
