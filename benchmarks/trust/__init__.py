"""What holds on other machines and against small changes of the code."""
