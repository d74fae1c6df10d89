"""Cameras of a line: where the frame of a part comes from."""
