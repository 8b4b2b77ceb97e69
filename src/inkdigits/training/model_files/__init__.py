"""Models as files: export, conversion, checks and loading; the ONNX graph of the reader."""
