"""Evaluation on a labelled test folder: metrics, tables, plots, report; also the model card and the speed benchmark."""
