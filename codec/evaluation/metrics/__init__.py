"""How good a decoded image is: `fidelity` to its original, and `realism` of many of them."""

FID_SIDE = 256  # pixels a side of the windows that FID looks at
