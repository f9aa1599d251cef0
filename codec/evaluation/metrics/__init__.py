"""How good a decoded image is: `fidelity` to its original, and `realism` of many of them."""
