"""Phase two, Skip-GANomaly: network, training, export. All of torch is here."""
