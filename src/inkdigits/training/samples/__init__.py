"""What networks are trained on: tiles, drawn pages, windows, and their targets."""
