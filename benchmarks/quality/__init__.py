"""Rate, distortion, perception, and what the model knows of an image."""
