"""Drawn pages and tiles with known truth, for training and for suites; no training framework."""
