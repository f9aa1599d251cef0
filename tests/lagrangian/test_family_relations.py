"""What the paper says of the family, on tiny models: every relation with a margin.

Margins leave at least three standard deviations over seeds, which
benchmarks/results/family_relations.json records (benchmarks/studies/family_relations.py), but for
the Fréchet distance of the GC-AE, of which docs/paper.md has all five figures.
"""

import pytest

from benchmarks.studies import family_relations as relations


def test_vae_bounds_the_information_from_above():
    """A >= I(X;Z), by what B takes away: A − B = I(X;Z)."""
    found = relations.vae(0)
    assert found["A"] > found["I(X;Z)"] + 0.3
    assert found["A - B"] == pytest.approx(found["I(X;Z)"], rel=0.3)


def test_aae_brings_b_to_nothing_and_a_to_the_information():
    """B is small, which nothing holds it to without the term; A, not in the loss, is I(X;Z)."""
    found = relations.aae(0)
    assert found["B without B in the loss"] > 2
    assert found["B"] < 0.25
    assert found["A - B"] == pytest.approx(found["I(X;Z)"], rel=0.15)


def test_beta_trades_rate_for_distortion():
    found = relations.beta(0)
    rates = [found[f"A at {beta}"] for beta in (0.03, 0.3, 3)]
    errors = [found[f"mse at {beta}"] for beta in (0.03, 0.3, 3)]
    assert rates[0] + 1 < rates[1] < rates[2] - 3
    assert errors[0] > 1.2 * errors[1] > 1.2**2 * errors[2]


def test_gc_ae_wins_on_perception_and_loses_on_distortion():
    """At the same rate: term D and U bring the spread back that the conditional mean lacks."""
    found = relations.perception(0)
    assert found["R gc-ae"] == pytest.approx(found["R shannon-ae"], rel=0.1)
    assert found["frechet gc-ae"] < 0.5 * found["frechet shannon-ae"]
    assert found["mse gc-ae"] > 1.1 * found["mse shannon-ae"]


def test_term_d_agrees_with_the_closed_form_of_two_gaussians():
    found = relations.gaussians(0)
    assert found["D"] == pytest.approx(found["closed form"], rel=0.1)


def test_term_c_of_a_gan_takes_variety_away():
    """Its pairs (x, z) are independent (25), so the best picture for every z is the mean."""
    found = relations.gan(0)
    assert found["spread at 0"] > 0.3
    assert found["spread at 0.001"] > 0.5
    assert found["spread at 0.1"] < 0.27


def test_terms_d_and_c_of_a_novelty_ae_find_other_pictures():
    found = relations.novelty(0)
    assert found["AUROC by D"] > 0.53
    assert found["AUROC by C"] > 0.95
