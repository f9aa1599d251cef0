"""Every objective of the family on scikit-learn's digits: benchmarks/results/family.json.

    pip install scikit-learn
    python benchmarks/family.py --steps 350 --fit-steps 150 --seeds 1    # a minute of one core
    python benchmarks/family.py                                          # a quarter of an hour

The digits are 8x8 images in 0..1; 1,437 train, 360 test, drawn anew by each seed. After training,
each term is measured on the test digits, whether or not the objective has it; a row has the mean
over seeds and, under "sd", the standard deviation:

- A, C, the rate H(Ẑ), the classifier's accuracy and the mean squared error as they are;
- B and D as KL by new critics, fitted on training digits: bounds from below, up to the noise of
  360 samples, and far below where the two sides hardly overlap (B above about 4). D is taken once
  of images decoded from the prior (a quantised code: from indices drawn at their own frequencies,
  one group at a time) and once of reconstructions;
- I(X;Z) from the Gaussian posteriors of all 1,797 digits, with no critic. A − B is to agree with
  it as long as both are well below its limit, log 1797 = 7.5 nats.

Fréchet distance and MMD between test digits and as many generated or reconstructed ones are on the
last hidden layer (32 units) of a classifier trained on the training digits.

The quantised pair is trained a second time with a wide likelihood (σ = 1) and β = 8, where term D
weighs more against term C; at the common σ it hardly counts.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from family_relations import frechet
from provenance import meta
from sklearn.datasets import load_digits  # type: ignore[import-untyped, import-not-found]
from sklearn.neural_network import MLPClassifier  # type: ignore[import-untyped, import-not-found]
from torch import Tensor

from codec.lagrangian import (
    OBJECTIVES,
    Code,
    ConditionalDivergence,
    DataDivergence,
    Draw,
    GaussianLikelihood,
    KullbackLeibler,
    LatentDivergence,
    MaximumMeanDiscrepancy,
    Quantised,
    Rate,
    Term,
    mixture_information,
)
from codec.train.family import Family, FamilyConfig, perceptron, train_family

TRAIN = 1437
SWEEPS = {"beta-vae": (0.1, 0.3, 1.0, 10.0), "shannon-ae": (0.3, 3.0)}  # β besides the declared
WIDE = (8.0, 1.0)  # β and σ
Features = Callable[[Tensor], Tensor]


def feature_space(x: Tensor, label: Tensor, seed: int) -> tuple[Features, float]:
    """Features (N, 32) of images by a classifier of the training images, and its accuracy."""
    network = MLPClassifier((64, 32), max_iter=400, random_state=seed)
    network.fit(x[:TRAIN].flatten(1).numpy(), label[:TRAIN].numpy())
    accuracy = network.score(x[TRAIN:].flatten(1).numpy(), label[TRAIN:].numpy())
    layers = [
        (torch.tensor(weight, dtype=torch.float32), torch.tensor(bias, dtype=torch.float32))
        for weight, bias in zip(network.coefs_[:-1], network.intercepts_[:-1], strict=True)
    ]

    def features(images: Tensor) -> Tensor:
        h = images.flatten(1)
        for weight, bias in layers:
            h = (h @ weight + bias).relu()
        return h

    return features, float(accuracy)


def generate(family: Family, code: Code) -> Tensor:
    """As many images as there are codes, decoded from p(z)."""
    if code.index is None or not isinstance(family.encoder, Quantised):
        return family.decode(torch.randn_like(code.z))
    shuffled = torch.stack([column[torch.randperm(len(column))] for column in code.index.T], 1)
    groups = torch.arange(shuffled.shape[1])
    return family.decode(family.encoder.centroids[groups, shuffled].flatten(1))


def fitted(term: Term, family: Family, x: Tensor, steps: int, make: str) -> Term:
    """A term with a critic, fitted on training images with a falling rate."""
    adam = torch.optim.Adam(term.parameters(), 1e-3, (0.5, 0.9), weight_decay=1e-4)
    falling = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.02, steps)
    for _ in range(steps):
        with torch.no_grad():
            shown = show(family, x[torch.randint(len(x), (256,))], make)
        loss = term.critic_loss(shown)
        if loss is not None:
            adam.zero_grad()
            loss.backward()
            adam.step()
            falling.step()
    return term


def show(family: Family, x: Tensor, make: str) -> Draw:
    """A draw whose generated images are decoded from the prior or reconstructed."""
    shown = family.draw(x)
    made = generate(family, shown.code) if make == "prior" else shown.output
    return replace(shown, generated=made)


def measure(
    family: Family, x: Tensor, label: Tensor, features: Features, steps: int
) -> dict[str, float]:
    """All figures of a trained model on the test images; only those that it has."""
    train, test = x[:TRAIN], x[TRAIN:]
    encoded = family.objective.encoder != "prior"
    quantised = family.objective.encoder == "quantised"
    row: dict[str, float] = {}
    width = family.config.width
    with torch.no_grad():
        shown, whole = show(family, test, "prior"), family.encoder(x)
    if encoded and "C" in family.objective.coefficients():
        row["C"] = GaussianLikelihood(family.config.sigma).value(shown).item()
        row["mse"] = (shown.output - test).square().mean().item()
        pairs = [("generated", shown.generated), ("reconstructed", shown.output)]
    else:
        pairs = [] if encoded else [("generated", shown.generated)]
    if quantised:
        row["R"] = Rate().value(shown).item()
    elif encoded:
        b = LatentDivergence(KullbackLeibler(perceptron(family.config.latent, width, 1)))
        fitted(b, family, train, steps, "prior")
        row["B"] = b.value(shown).item()
    if encoded and shown.code.mean is not None:
        row["A"] = ConditionalDivergence().value(shown).item()
        row["A-B"] = row["A"] - row["B"]
        row["I(X;Z)"] = mixture_information(whole).item()
    for name, made in pairs:
        d = DataDivergence(KullbackLeibler(perceptron(test[0].numel(), width, 1)))
        fitted(d, family, train, steps, "prior" if name == "generated" else "output")
        row[f"D {name}"] = d.value(replace(shown, generated=made)).item()
        row |= quality(features(test), features(made), name)
    if family.classifier is not None:
        guess = family.classifier(shown.code.z).argmax(1)
        row["accuracy"] = (guess == label[TRAIN:]).float().mean().item()
    return row


def quality(real: Tensor, made: Tensor, name: str) -> dict[str, float]:
    """Both distances between features of real and made images."""
    mmd = MaximumMeanDiscrepancy(2 * real.var(0).sum().item())
    return {
        f"frechet {name}": frechet(real, made),
        f"mmd {name}": mmd.value(real, made).item(),
    }


def runs() -> list[tuple[str, float, float]]:
    """Name, β and σ: every objective at its β, then other β of some, then the quantised pair."""
    sigma = FamilyConfig().sigma
    table = [(name, objective.beta, sigma) for name, objective in OBJECTIVES.items()]
    swept = [(name, beta, sigma) for name, betas in SWEEPS.items() for beta in betas]
    return table + swept + [(name, *WIDE) for name in ("shannon-ae", "gc-ae")]


def digits(seed: int) -> tuple[Tensor, Tensor]:
    """The digits and their labels, in an order that the seed draws: the first 1,437 train."""
    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor(data.images / 16, dtype=torch.float32)
    return x[order], torch.tensor(data.target)[order]


def spread(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Mean of each figure over seeds, and the standard deviations under "sd"."""
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    mean = {key: round(statistics.mean(values), 4) for key, values in columns.items()}
    sd = {key: round(statistics.stdev(v), 4) for key, v in columns.items() if len(v) > 1}
    return mean | {"sd": sd}


def main() -> None:
    """Train, measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1500, help="training steps of each objective")
    parser.add_argument("--fit-steps", type=int, default=600, help="steps of each new critic")
    parser.add_argument("--seeds", type=int, default=3, help="runs of everything")
    parser.add_argument("-o", "--out", type=Path, default=Path("benchmarks/results/family.json"))
    options = parser.parse_args()

    start = time.process_time()
    base, accuracies = [], []
    measured: dict[tuple[str, float, float], list[dict[str, float]]] = {run: [] for run in runs()}
    for seed in range(options.seeds):
        x, label = digits(seed)
        features, accuracy = feature_space(x, label, seed)
        accuracies.append(accuracy)
        base.append(quality(features(x[TRAIN:]), features(x[:360]), "train"))
        for (name, beta, sigma), rows in measured.items():
            config = FamilyConfig(steps=options.steps, seed=seed, sigma=sigma)
            trained = train_family(OBJECTIVES[name], x[:TRAIN], label[:TRAIN], config, beta)
            torch.manual_seed(seed)
            rows.append(measure(trained.family, x, label, features, options.fit_steps))
            print(seed, name, beta, sigma, f"{time.process_time() - start:.0f} s", flush=True)
    whole = meta([], b"")
    kept = ("date", "commit", "machine", "threads", "load", "python", "versions")
    config = FamilyConfig(steps=options.steps)
    result = {
        "meta": {key: whole[key] for key in kept},
        "data": "scikit-learn digits, 8x8 in 0..1, 1437 train, 360 test",
        "config": asdict(config) | {"fit_steps": options.fit_steps, "seeds": options.seeds},
        "cpu_seconds": round(time.process_time() - start),
        "units": "A, B, C, D, R, I(X;Z) in nats per image; B and D are lower bounds by critics",
        "features": {
            "classifier": "MLP 64-64-32-10",
            "accuracy": round(statistics.mean(accuracies), 4),
        },
        "train against test": spread(base),
        "rows": [
            {"objective": name, "loss": str(OBJECTIVES[name]), "beta": beta, "sigma": sigma}
            | spread(rows)
            for (name, beta, sigma), rows in measured.items()
        ],
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
