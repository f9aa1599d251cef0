"""What torch does slowly in a training step on a CPU, in C compiled for the machine at hand."""
