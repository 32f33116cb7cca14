"""The service: from a bundle to answers, on ONNX Runtime."""
