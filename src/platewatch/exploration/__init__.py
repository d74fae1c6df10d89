"""Exploration of a data set: histograms, edges, outliers and classical detectors, as plots and sentences."""
