"""Keras networks: those of recipes for tiles, and the detector and judge of the reader."""
