"""Phase two, Skip-GANomaly: network, training, export to ONNX. Needs torch, and only while training."""

from platewatch.model import telemetry

telemetry.temporary_torch_cache()  # before any module of this package imports torch
