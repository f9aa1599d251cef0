"""The terms of the Lagrangian against closed forms, and every declared objective trained a little.

Monte Carlo figures are held to four standard errors, fitted estimates to 10 %.
"""

import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from bitstream.errors import CodecError
from codec.lagrangian import (
    OBJECTIVES,
    AdditiveNoise,
    ClassLikelihood,
    Code,
    ConcatenatedNoise,
    ConditionalDivergence,
    DataDivergence,
    Draw,
    GaussianLikelihood,
    InputNoise,
    JensenShannon,
    KullbackLeibler,
    LaplaceLikelihood,
    LatentDivergence,
    MaximumMeanDiscrepancy,
    PriorNoise,
    Quantized,
    Rate,
    Wasserstein,
    find,
    mixture_information,
)
from codec.train.family.loop import Family, FamilyConfig, perceptron, train_family

# The objectives of arXiv:1912.00830 by equation: what multiplies each term at β, all minimized.
INFORMATION = {"A": 1, "B": -1}  # I(X;Z), (12) and (27)
BOUND = {"C": 1, "D": -1}  # of I(Z;X) from below, (18), (24) and (28)
CLASSES = {"S": 1}  # of I(Z;C) from below, (6), without the constant H(C)
RATE = {"R": 1}  # I(X;Z) of a quantized code


def lagrangian(information, beta, bound):
    return information | {term: -beta * sign for term, sign in bound.items()}


PAPER = {
    "7": lambda beta: lagrangian(INFORMATION, beta, CLASSES),
    "25": lambda weight: {"D": 1, "C": -weight},
    "26": lambda beta: lagrangian(INFORMATION, beta, BOUND),
    "30": lambda beta: {"A": 1, "C": -1},
    "31": lambda beta: {"A": 1, "C": -beta},
    "32": lambda beta: {"B": 1, "C": -beta},
    "33": lambda beta: {"A": 1, "B": -1, "C": -beta},
    "34": lambda beta: {"A": 1, "C": -beta, "D": beta},
    "35": lambda beta: lagrangian(RATE, beta, {"C": 1}),  # D left out, as its text says
    "36": lambda beta: lagrangian(RATE, beta, BOUND),
    "4.3": lambda beta: {"B": 1, "C": -beta, "D": beta},  # no equation; the text names the terms
}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def digits():
    """512 pictures 8x8 in 0..1: one of ten patterns, each shaded and noisy; and which one."""
    generator = torch.Generator().manual_seed(1)
    patterns = torch.rand(10, 8, 8, generator=generator).round()
    label = torch.arange(512) % 10
    shade = 0.5 + 0.5 * torch.rand(512, 1, 1, generator=generator)
    noise = 0.1 * torch.randn(512, 8, 8, generator=generator)
    return (patterns[label] * shade + noise).clamp(0, 1), label


def draw(code=None, x=None, output=None, prior=None, generated=None, **more):
    """A draw in which only what a test needs is given."""
    nothing = torch.zeros(2, 2)
    code = Code(nothing) if code is None else code
    parts = [nothing if part is None else part for part in (x, prior, output, generated)]
    return Draw(parts[0], code, parts[1], parts[2], parts[3], **more)


def assert_mean(samples, expected):
    """The mean of Monte Carlo samples is a value within four standard errors."""
    error = samples.std().item() / math.sqrt(len(samples))
    assert abs(samples.mean().item() - expected) < 4 * error
    assert error < 0.02 * max(1.0, abs(expected))  # or the comparison says nothing


def kl_gaussian(mean, scale):
    """KL(N(mean, scale²) ‖ N(0, 1)), summed over dimensions."""
    mean, scale = torch.as_tensor(mean), torch.as_tensor(scale)
    return (0.5 * (scale**2 + mean**2 - 1) - scale.log()).sum().item()


def fit(divergence, sample_p, sample_q, steps, batch=512, rate=3e-3):
    """Train the critic on fresh samples, with a rate that falls to nothing."""
    adam = torch.optim.Adam(divergence.parameters(), rate, betas=(0.5, 0.9))
    falling = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.02, steps)
    for _ in range(steps):
        adam.zero_grad()
        divergence.critic_loss(sample_p(batch), sample_q(batch)).backward()
        adam.step()
        falling.step()
    return divergence


# closed forms


def test_a_is_the_divergence_of_gaussians():
    mean, log_variance = torch.tensor([[0.5, -1.0, 2.0]]), torch.tensor([[0.3, -2.0, 0.0]])
    value = ConditionalDivergence().value(draw(Code(mean, mean, log_variance))).item()
    posterior = torch.distributions.Normal(mean[0], (0.5 * log_variance[0]).exp())
    z = posterior.sample((100_000,))
    ratio = posterior.log_prob(z) - torch.distributions.Normal(0, 1).log_prob(z)
    assert_mean(ratio.sum(1), value)


@pytest.mark.parametrize(
    ("term", "distribution"),
    [
        (GaussianLikelihood(0.3), lambda x: torch.distributions.Normal(x, 0.3)),
        (LaplaceLikelihood(0.2), lambda x: torch.distributions.Laplace(x, 0.2)),
    ],
)
def test_c_is_the_log_likelihood(term, distribution):
    output = torch.rand(50, 4, 4)
    x = output + 0.3 * torch.randn(50, 4, 4)
    expected = distribution(output).log_prob(x).sum((1, 2)).mean().item()
    assert term.value(draw(x=x, output=output)).item() == pytest.approx(expected, rel=1e-5)
    samples = distribution(torch.zeros(100_000)).sample()  # E log p = −h(p) under p itself
    assert_mean(
        distribution(torch.zeros(())).log_prob(samples),
        term.value(draw(x=samples[:, None], output=torch.zeros(100_000, 1))).item(),
    )
    entropy = distribution(torch.zeros(())).entropy().item()
    assert_mean(-distribution(torch.zeros(())).log_prob(samples), entropy)


def test_supervised_term_is_minus_the_conditional_entropy():
    """A classifier that knows p(c|z) reaches −H(C|Z); any other stays below."""
    p = torch.tensor([[0.9, 0.1], [0.25, 0.75]])
    z = torch.randint(2, (50_000,))
    label = torch.multinomial(p, 50_000, replacement=True)[z, torch.arange(50_000)]
    exact = -torch.special.entr(p).sum(1).mean().item()
    term = ClassLikelihood()
    best = term.value(draw(logits=p.log()[z], label=label)).item()
    assert best == pytest.approx(exact, abs=4 * 0.7 / math.sqrt(50_000))
    assert term.value(draw(logits=p.log()[1 - z], label=label)).item() < exact - 0.3


def test_rate_of_known_distributions():
    """Exact for exact frequencies; −Σ p log p within its spread for samples; groups add up."""
    shares = torch.full((8, 1, 4), 0.25)
    index = torch.tensor([0, 0, 0, 0, 1, 1, 2, 3])[:, None]
    bits = Rate().value(draw(Code(index.float(), index=index, shares=shares))).item() / math.log(2)
    assert bits == pytest.approx(1.75, abs=1e-9)

    p = torch.tensor([0.5, 0.2, 0.15, 0.1, 0.05])
    exact = torch.special.entr(p).sum().item()
    spread = math.sqrt((p * p.log() ** 2).sum().item() - exact**2)  # of −log p
    index = torch.multinomial(p, 40_000, replacement=True).view(20_000, 2)
    shares = torch.full((20_000, 2, 5), 0.2)
    value = Rate().value(draw(Code(index.float(), index=index, shares=shares))).item()
    assert value == pytest.approx(2 * exact, abs=4 * spread * math.sqrt(2 / 20_000))
    soft = p.expand(20_000, 2, 5)
    assert Rate().loss(draw(Code(soft, index=index, shares=soft))).item() == pytest.approx(
        2 * exact, rel=1e-5
    )


def test_mutual_information_of_a_linear_gaussian():
    """z = a·x + s·ε with x ~ N(0, 1): I = ½ log(1 + a²/s²), here with 3,000 inputs for x."""
    a, s = 1.5, 0.5
    mean = a * torch.randn(3000, 1)
    code = Code(mean + s * torch.randn(3000, 1), mean, torch.full((3000, 1), 2 * math.log(s)))
    exact = 0.5 * math.log(1 + a**2 / s**2)
    assert mixture_information(code).item() == pytest.approx(exact, rel=0.05)


# density ratios


@pytest.mark.parametrize(
    ("mean", "scale"), [([1.0, 0.5], [0.7, 1.3]), ([0.0, 0.0], [0.4, 0.4]), ([1.5, 0.0], [1, 1])]
)
def test_density_ratio_recovers_kl(mean, scale):
    """As term B (codes against the prior) and as term D (data against a model): within 10 %."""
    mean, scale = torch.tensor(mean), torch.tensor(scale)
    exact = kl_gaussian(mean, scale)

    def sample_p(n):
        return mean + scale * torch.randn(n, 2)

    def sample_q(n):
        return torch.randn(n, 2)

    fitted = fit(KullbackLeibler(perceptron(2, 32, 1)), sample_p, sample_q, 700)
    p, q = sample_p(100_000), sample_q(100_000)
    with torch.no_grad():
        b = LatentDivergence(fitted).value(draw(Code(p), prior=q)).item()
        d = DataDivergence(fitted).value(draw(x=p, generated=q)).item()
    assert b == pytest.approx(exact, rel=0.1)
    assert d == b


def test_jensen_shannon_of_gaussians():
    """Against quadrature: N(0, 1) and N(2, 1)."""
    x = torch.linspace(-8, 10, 4001)
    p = torch.distributions.Normal(0, 1).log_prob(x).exp()
    q = torch.distributions.Normal(2, 1).log_prob(x).exp()
    middle = (p + q) / 2
    exact = 0.5 * torch.trapezoid(p * (p / middle).log() + q * (q / middle).log(), x).item()

    def sample_p(n):
        return torch.randn(n, 1)

    fitted = fit(JensenShannon(perceptron(1, 32, 1)), sample_p, lambda n: 2 + sample_p(n), 400)
    with torch.no_grad():
        shown = draw(x=sample_p(50_000), generated=2 + sample_p(50_000))
        value = DataDivergence(fitted).value(shown).item()
    assert value == pytest.approx(exact, rel=0.1)


class ShiftRatio(nn.Module):
    """log N(x; m, 1)/N(x; 0, 1), exactly."""

    def __init__(self, mean):
        super().__init__()
        self.mean = mean

    def forward(self, x):
        return self.mean * x - self.mean**2 / 2


def test_kl_is_a_bound_and_its_gradient_is_right_on_both_sides():
    m = 0.8
    exact = m**2 / 2
    p_mean, q_mean = torch.tensor(m, requires_grad=True), torch.tensor(0.0, requires_grad=True)
    p, q = p_mean + torch.randn(200_000, 1), q_mean + torch.randn(200_000, 1)
    value = KullbackLeibler(ShiftRatio(m)).value(p, q)
    assert value.item() == pytest.approx(exact, abs=0.015)
    gradients = torch.autograd.grad(value, [p_mean, q_mean])
    assert gradients[0].item() == pytest.approx(m, abs=0.015)  # ∂/∂m_p ½(m_p − m_q)²
    assert gradients[1].item() == pytest.approx(-m, abs=0.015)
    for wrong in (0.2, 0.5, 1.2):
        assert KullbackLeibler(ShiftRatio(wrong)).value(p, q).item() < exact - 0.02


def test_jensen_shannon_loss_pulls_the_samples_together():
    for side in (0, 1):
        shift = torch.tensor(0.0, requires_grad=True)
        p, q = 2 + torch.randn(1000, 1), torch.randn(1000, 1)
        pair = (p + shift, q) if side == 0 else (p, q + shift)
        (slope,) = torch.autograd.grad(JensenShannon(ShiftRatio(2.0)).loss(*pair), shift)
        assert (slope > 0) if side == 0 else (slope < 0)  # descent moves P down or Q up


def test_wasserstein_sign_and_scale():
    """W₁ of N(m, 1) and N(0, 1) is |m|; the critic's sign is P minus Q."""

    def sample(mean):
        return lambda n: mean + torch.randn(n, 1)

    values = {}
    for mean in (2.0, 4.0, -2.0):
        fitted = fit(Wasserstein(perceptron(1, 32, 1)), sample(mean), sample(0.0), 400, batch=256)
        with torch.no_grad():
            p, q = sample(mean)(20_000), sample(0.0)(20_000)
            term = DataDivergence(fitted)
            values[mean] = term.value(draw(x=p, generated=q)).item()
            assert term.value(draw(x=q, generated=p)).item() == pytest.approx(
                -values[mean], rel=0.01
            )
    for mean, value in values.items():
        assert value == pytest.approx(abs(mean), rel=0.1)


def test_mmd_tells_equal_from_different():
    mmd = MaximumMeanDiscrepancy(8.0)
    equal = torch.stack([mmd.value(torch.randn(300, 4), torch.randn(300, 4)) for _ in range(40)])
    assert_mean(equal, 0.0)
    assert equal.min() < 0  # unbiased, so it lies on both sides
    for other in (torch.randn(300, 4) + 0.5, 0.5 * torch.randn(300, 4)):
        term = LatentDivergence(mmd).value(draw(Code(other), prior=torch.randn(300, 4)))
        assert term > 10 * equal.std()


def test_a_minus_b_is_the_mutual_information():
    """z = a·x + s·ε, x ~ N(0, 1): A and B in closed form or estimated; A − B = I >= 0."""
    a, s = 1.5, 0.6
    x = torch.randn(100_000, 1)
    log_variance = torch.full_like(x, 2 * math.log(s))

    def sample(n):
        return math.hypot(a, s) * torch.randn(n, 1)

    fitted = fit(KullbackLeibler(perceptron(1, 32, 1)), sample, lambda n: torch.randn(n, 1), 500)
    shown = draw(
        Code(a * x + s * torch.randn_like(x), a * x, log_variance), prior=torch.randn_like(x)
    )
    with torch.no_grad():
        term_a = ConditionalDivergence().value(shown).item()
        term_b = LatentDivergence(fitted).value(shown).item()
    information = 0.5 * math.log(1 + (a / s) ** 2)
    assert term_b == pytest.approx(kl_gaussian(0.0, math.hypot(a, s)), rel=0.1)
    assert term_a - term_b == pytest.approx(information, rel=0.1)
    assert 0 < term_b < term_a


# encoders


def test_encoders_are_stochastic_in_the_three_ways():
    x = torch.rand(4, 3)
    identity = nn.Identity()
    doubled = x.repeat(1, 2)  # mean x, log variance x
    codes = torch.stack([AdditiveNoise(identity)(doubled).z for _ in range(4000)])
    assert torch.allclose(codes.mean(0), x, atol=0.12)
    assert torch.allclose(codes.var(0), x.exp(), rtol=0.15)
    code = AdditiveNoise(identity, sigma=0)(x)
    assert torch.equal(code.z, x)
    assert code.mean is None  # so that term A is refused
    codes = torch.stack([InputNoise(identity, 0.5)(x).z for _ in range(4000)])
    assert torch.allclose(codes.var(0), torch.full((4, 3), 0.25), rtol=0.15)
    codes = torch.stack([ConcatenatedNoise(identity, 2)(x).z for _ in range(4000)])
    assert torch.equal(codes[..., :3], x.expand(4000, 4, 3))
    assert torch.allclose(codes[..., 3:].var(0), torch.ones(4, 2), rtol=0.15)


def test_quantized_code_is_the_nearest_centroid_and_has_gradients():
    encoder = Quantized(nn.Linear(3, 4), 4, groups=2, codes=5)
    x = torch.randn(50, 3)
    code = encoder(x)
    z = encoder.network(x).view(50, 2, 2)
    for group in range(2):
        nearest = torch.cdist(z[:, group], encoder.centroids[group]).argmin(1)
        assert torch.equal(code.index[:, group], nearest)
        found = code.z.view(50, 2, 2)[:, group]
        assert torch.allclose(found, encoder.centroids[group][nearest], atol=1e-5)
    gradients = torch.autograd.grad(code.z.square().sum(), list(encoder.parameters()))
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_terms_refuse_codes_they_cannot_use():
    for encoder in (InputNoise(nn.Identity(), 0.1), ConcatenatedNoise(nn.Identity(), 1)):
        with pytest.raises(ValueError, match="Gaussian"):
            ConditionalDivergence().value(draw(encoder(torch.zeros(2, 2))))
    with pytest.raises(ValueError, match="quantized"):
        Rate().value(draw(PriorNoise(2)(torch.zeros(2, 2))))
    with pytest.raises(ValueError, match="labels"):
        ClassLikelihood().value(draw())


# objectives


@pytest.mark.parametrize("name", OBJECTIVES)
def test_declared_terms_are_those_of_the_equation(name):
    objective = OBJECTIVES[name]
    for beta in (0.0, 0.3, 1.0, 4.0):
        assert objective.coefficients(beta) == PAPER[objective.equation](beta)


def test_every_equation_has_one_objective():
    assert sorted(PAPER) == sorted(objective.equation for objective in OBJECTIVES.values())
    assert (find("gc-ae").noise, find("gc-ae").encoder) == (
        True,
        "quantized",
    )  # I(Z + U; X) in (36)
    assert not any(OBJECTIVES[name].noise for name in OBJECTIVES if name != "gc-ae")
    assert find("gan").encoder == "prior"  # z ~ p(z) in (24)
    with pytest.raises(ValueError, match="unknown objective"):
        find("vqvae")


def test_gan_without_term_c_is_the_original_one(digits):
    """β stands for λ of (25)."""
    config = FamilyConfig(latent=2, width=16, steps=30)
    original = replace(find("gan"), parts=find("gan").parts[:1])
    assert str(original) == "D"
    without = train_family(find("gan"), digits[0], config=replace(config, beta=0.0)).history[-1]
    expected = train_family(original, digits[0], config=config).history[-1]
    assert {key: without[key] for key in expected} == expected


def test_term_c_of_independent_pairs_is_minus_the_lautum_information():
    """I(Z;X) of (21) for x = a·z + s·ε: −KL(p(x)p(z) ‖ p(x, z)), most where x ignores z.

    Of the true pairs of (14), and of the same Gaussians, it is +I(X;Z).
    """
    a, s = 1.5, 0.8
    z, other = torch.randn(2, 400_000, 1)
    x = a * z + s * torch.randn_like(z)
    square = a**2 / (a**2 + s**2)  # of the correlation
    entropy = 0.5 * math.log(2 * math.pi * math.e * (a**2 + s**2))
    term = GaussianLikelihood(s)
    pairs = term.value(draw(x=x, output=a * z)).item() + entropy
    independent = term.value(draw(x=x, output=a * other)).item() + entropy
    assert pairs == pytest.approx(-0.5 * math.log(1 - square), rel=0.02)
    lautum = square / (1 - square) + 0.5 * math.log(1 - square)
    assert independent == pytest.approx(-lautum, rel=0.02)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objective_trains(name, digits):
    """Terms stay finite, the loss is the declared sum of them, and what it trains gets better."""
    x, label = digits
    objective = find(name)
    config = FamilyConfig(latent=4, width=32, steps=150, batch=64, groups=2, codes=8)
    trained = train_family(objective, x, label, config)
    last = trained.history[-1]
    terms = {letter: last[letter] for letter in objective.coefficients()}
    assert all(math.isfinite(value) for value in last.values())
    assert [entry["step"] for entry in trained.history] == [50, 100, 150]
    if not {"D", "R"} & set(terms):  # those descend a surrogate
        expected = sum(objective.coefficients()[letter] * terms[letter] for letter in terms)
        assert last["loss"] == pytest.approx(expected, rel=1e-3, abs=1e-3)

    torch.manual_seed(0)
    untrained = Family(objective, x.shape[1:], 10, config).eval()
    with torch.no_grad():
        first, now = untrained.draw(x, label), trained.family.draw(x, label)
    if "C" in terms:
        term = GaussianLikelihood(config.sigma)
        assert term.value(now) > term.value(first) + 10
    if "S" in terms:
        assert ClassLikelihood().value(now) > ClassLikelihood().value(first) + 0.5
    if "D" in terms:
        mmd = MaximumMeanDiscrepancy(2 * x.var(0).sum().item())
        assert mmd.value(x, now.generated) < 0.7 * mmd.value(x, first.generated)


def test_training_is_repeatable(digits):
    config = FamilyConfig(latent=2, width=16, steps=20)
    runs = [train_family(find("bib-ae"), *digits, config).history for _ in range(2)]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("encoder", "spread"),
    [("additive", 0.5), ("additive", 0.0), ("input", 0.5), ("concatenated", 0.5)],
)
def test_aae_trains_with_stochastic_and_deterministic_encoders(encoder, spread, digits):
    config = FamilyConfig(latent=4, width=32, steps=100, batch=64)
    objective = replace(find("aae"), encoder=encoder, spread=spread)
    trained = train_family(objective, digits[0], config=config)
    assert trained.history[-1]["C"] > trained.history[0]["C"] + 1
    codes = [trained.family.encoder(digits[0][:8]).z for _ in range(2)]
    assert torch.equal(*codes) == (spread == 0)


@pytest.mark.parametrize("likelihood", ["gaussian", "laplace"])
@pytest.mark.parametrize("data", ["kl", "wasserstein"])
def test_other_divergences_and_likelihoods_train(data, likelihood, digits):
    config = FamilyConfig(latent=4, width=32, steps=50, batch=64, likelihood=likelihood)
    trained = train_family(replace(find("bib-ae"), data=data), digits[0], config=config)
    assert all(math.isfinite(value) for value in trained.history[-1].values())


def test_a_bounds_the_information_and_beta_trades_it_for_distortion(digits):
    """β-VAE: A >= I(X;Z); a larger β keeps more information and reconstructs better."""
    x, _ = digits
    rates, errors = [], []
    for beta in (0.05, 0.3, 3.0):
        config = FamilyConfig(latent=4, width=64, steps=300, beta=beta)
        family = train_family(find("beta-vae"), x, config=config).family
        with torch.no_grad():
            shown = family.draw(x)
            rates.append(ConditionalDivergence().value(shown).item())
            errors.append((shown.output - x).square().mean().item())
            information = mixture_information(shown.code).item()
        assert -0.05 < information < rates[-1]
    assert rates[0] + 0.3 < rates[1] < rates[2] - 0.3
    assert errors[0] > 1.05 * errors[1] > 1.05**2 * errors[2]


def test_unlabelled_data_for_the_supervised_objective_is_refused(digits):
    with pytest.raises(CodecError, match="labels"):
        train_family(find("supervised-ib"), digits[0], config=FamilyConfig(steps=1))


def test_divergence_of_training_is_reported(digits):
    with pytest.raises(CodecError, match="stopped at step 1"):
        train_family(find("vae"), digits[0] * math.inf, config=FamilyConfig(steps=2))


def test_import_needs_neither_compressai_nor_constriction():
    script = (
        "import sys, codec.lagrangian\n"
        "print([m for m in ('compressai', 'constriction') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
