"""From numbers to a decision: verdict, calibration, sensitivity summary, drift statistics."""
