"""What was found in a picture: marks, readings, and their text, tables, drawings and HTML."""
