"""The names of a model folder's files."""

CONFIG = "config.json"
WEIGHTS = "weights.safetensors"
PRIOR = "prior.safetensors"
FILES = (CONFIG, WEIGHTS, PRIOR)  # what a model consists of: the fingerprint is a hash of these
DETAIL = "detail.safetensors"  # beside them, if the model synthesizes detail
