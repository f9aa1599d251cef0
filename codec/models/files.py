"""The names of a model folder's files, and where the packaged model is."""

from pathlib import Path

PACKAGED = Path(__file__).parent / "default"
EARLIER = {"3526a93a": "models/first of bibcodec's repository"}  # packaged once, by fingerprint

CONFIG = "config.json"
WEIGHTS = "weights.safetensors"
PRIOR = "prior.safetensors"
FILES = (CONFIG, WEIGHTS, PRIOR)  # what a model consists of: the fingerprint is a hash of these
DETAIL = "detail.safetensors"  # beside them, if the model synthesizes detail
GRAPHS = "graphs"  # folder of the networks' steps as ONNX graphs, without weights
MANIFEST = "graphs.json"  # in it: whose weights the graphs are for, and how far the steps reach
