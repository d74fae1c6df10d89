"""At the line: judge, record, notify; watch folder, deliveries, model registry, retraining, replay."""
