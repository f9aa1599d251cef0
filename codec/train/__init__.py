"""Training of the codec: needs torch, numpy, pillow and safetensors only."""
