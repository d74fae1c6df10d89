"""Mutated photographs and model files in a child process: each ends in an Inspection or a named error."""

import mutated_inputs

measure = mutated_inputs.measure
