"""Decisions from scores: limits, verdict, false-alarm bound, sensitivity summary, drift statistics."""
