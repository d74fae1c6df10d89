"""What separates good from defective photographs, by eye and by classical detectors."""
