"""Drawn pages and tiles with known labels, for training and for test suites.

This package imports no training framework.
"""
