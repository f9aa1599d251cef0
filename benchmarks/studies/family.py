"""What do the objectives of the paper's family do on two sets of real images?

Digits: scikit-learn's, 8x8 in 0..1; 1,437 train, 360 test, drawn anew by each seed. Photographs:
64x64 crops of training photographs, grey, halved to 32x32, 1,536 of them, and 512 crops of the
validation photographs to test on; no labels, so the supervised objective has no row. After
training, each term is measured on the test images, whether or not the objective has it; a row has
the mean over seeds and, under "sd", the standard deviation:

- A, C, the rate H(Ẑ), the classifier's accuracy and the mean squared error as they are;
- B and D as KL by new critics, fitted on training images: bounds from below, up to the noise of
  the test samples, and far below where the two sides hardly overlap (B above about 4). D is taken
  once of images decoded from the prior (a quantized code: from indices drawn at their own
  frequencies, one group at a time) and once of reconstructions;
- I(X;Z) from the Gaussian posteriors of all images, with no critic. A − B is to agree with it as
  long as both are well below its limit, the logarithm of their number (about 7.5 nats).

Fréchet distance and MMD between test images and as many generated or reconstructed ones are on 32
features: of the digits, the last hidden layer of a classifier trained on the training digits; of
photographs, the main axes of EfficientNet-Lite0's features, averaged over the image.

The quantized pair is trained a second time with a wide likelihood and a larger β, where term D
weighs more against term C; at the common σ it hardly counts.
"""

import statistics
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import Missing, Shards
from benchmarks.studies.family_images import Images, Set, the_digits, the_photographs
from benchmarks.studies.family_relations import frechet
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
    Quantized,
    Rate,
    Term,
    mixture_information,
)
from codec.train.family.loop import Family, perceptron, train_family


def generate(family: Family, code: Code) -> Tensor:
    """As many images as there are codes, decoded from p(z)."""
    if code.index is None or not isinstance(family.encoder, Quantized):
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


def figures_of(family: Family, images: Images, steps: int) -> dict[str, float]:
    """All figures of a trained model on the test images; only those that it has."""
    train, test = images.x[: images.train], images.x[images.train :]
    encoded = family.objective.encoder != "prior"
    quantized = family.objective.encoder == "quantized"
    row: dict[str, float] = {}
    width = family.config.width
    with torch.no_grad():
        shown, whole = show(family, test, "prior"), family.encoder(images.x)
    if encoded and "C" in family.objective.coefficients():
        row["C"] = GaussianLikelihood(family.config.sigma).value(shown).item()
        row["mse"] = (shown.output - test).square().mean().item()
        pairs = [("generated", shown.generated), ("reconstructed", shown.output)]
    else:
        pairs = [] if encoded else [("generated", shown.generated)]
    if quantized:
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
        row |= quality(images.features(test), images.features(made), name)
    if family.classifier is not None and images.label is not None:
        guess = family.classifier(shown.code.z).argmax(1)
        row["accuracy"] = (guess == images.label[images.train :]).float().mean().item()
    return row


def quality(real: Tensor, made: Tensor, name: str) -> dict[str, float]:
    """Both distances between features of real and made images."""
    mmd = MaximumMeanDiscrepancy(2 * real.var(0).sum().item())
    return {
        f"frechet {name}": frechet(real, made),
        f"mmd {name}": mmd.value(real, made).item(),
    }


def spread(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Mean of each figure over seeds, and the standard deviations under "sd"."""
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    mean = {key: round(statistics.mean(values), 4) for key, values in columns.items()}
    sd = {key: round(statistics.stdev(v), 4) for key, v in columns.items() if len(v) > 1}
    return mean | {"sd": sd}


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        shards: folder of train-*.tar and val-*.tar, for the photographs.
    """

    shards: Shards | None = None


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        data: digits or photographs.
        seeds: of everything.
    """

    data: str = "digits"
    seeds: int = 1


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """Train and measure every objective with every seed."""
    if settings.data not in {"digits", "photographs"}:
        raise Missing(f"{settings.data}: expected digits or photographs")
    images_of = the_digits() if settings.data == "digits" else the_photographs(inputs.shards)
    start = time.process_time()
    by_seed = [
        run.part(f"seed {seed}", lambda: of_seed(run, images_of, seed))  # noqa: B023
        for seed in range(settings.seeds)
    ]
    config = asdict(images_of.config) | {"fit_steps": images_of.fit_steps, "seeds": settings.seeds}
    result = {
        "units": "A, B, C, D, R, I(X;Z) in nats per image; B and D are lower bounds by critics",
        "data": images_of.data,
        "config": config,
        "cpu_seconds": round(time.process_time() - start),
        "train against test": spread([one["train against test"] for one in by_seed]),
        "rows": [
            {"objective": name, "loss": str(OBJECTIVES[name]), "beta": beta, "sigma": sigma}
            | spread([one["rows"][k] for one in by_seed])
            for k, (name, beta, sigma) in enumerate(images_of.runs())
        ],
    }
    if images_of.labels:
        accuracies = [one["accuracy"] for one in by_seed]
        result["classifier of the features: accuracy"] = round(statistics.mean(accuracies), 4)
    return result


def of_seed(run: Run, images_of: Set, seed: int) -> dict[str, Any]:
    """Every objective trained and measured with one seed."""
    images = images_of.load(seed)
    train, test = images.x[: images.train], images.x[images.train :]
    others = quality(images.features(test), images.features(train[: len(test)]), "train")
    label = None if images.label is None else images.label[: images.train]
    rows = []
    for name, beta, sigma in images_of.runs():
        config = replace(images_of.config, seed=seed, sigma=sigma, beta=beta)
        trained = train_family(OBJECTIVES[name], train, label, config)
        torch.manual_seed(seed)
        rows.append(figures_of(trained.family, images, images_of.fit_steps))
        run.say(f"seed {seed}: {name} {beta} {sigma}")
    return {"train against test": others, "accuracy": images.accuracy, "rows": rows}


BENCHMARK = Benchmark(Inputs, Settings, measure, result="family_{data}.json")
