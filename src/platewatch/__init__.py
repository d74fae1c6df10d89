"""Platewatch."""
