"""Wrong versions of the kernel, each of which the emulated tests must catch."""

from typing import NamedTuple


class Mutant(NamedTuple):
    what: str
    filter: str
    old: str
    new: str


SIMT, ANY, TENSOR = (
    "float32, D up to 32",
    "float32, any D",
    "tensor cores, D up to 32",
)
STEP_BARRIER = "store_x((step + 1) & 1);\n    }\n    __syncthreads();"
TILE_BARRIER = "store(slot ^ 1);\n    __syncthreads();"
MUTANTS = [
    Mutant("barrier after a step", SIMT, STEP_BARRIER, STEP_BARRIER[: STEP_BARRIER.rindex("__")]),
    Mutant("barrier after a step", ANY, STEP_BARRIER, STEP_BARRIER[: STEP_BARRIER.rindex("__")]),
    Mutant("barrier after a tile", TENSOR, TILE_BARRIER, "store(slot ^ 1);"),
    Mutant("barrier after first load", SIMT, "store_c(0);\n  __syncthreads();", "store_c(0);"),
    Mutant("barrier in prepare", SIMT, ": 0.0f;\n    }\n    __syncthreads();", ": 0.0f;\n    }"),
    Mutant(
        "barrier in reduction",
        SIMT,
        "winners[thread] = winner[r];\n      __syncthreads();",
        "winners[thread] = winner[r];",
    ),
    Mutant(
        "runner-up forgets the old least",
        SIMT,
        "fminf(second, fmaxf(least, v))",
        "v < least ? second : fminf(second, v)",
    ),
    Mutant(
        "merge forgets a runner-up",
        SIMT,
        "fminf(fminf(second, second2), fmax",
        "fminf(second, fmax",
    ),
    Mutant(
        "merge keeps the wrong group", TENSOR, "least2 < least ? group2", "least2 > least ? group2"
    ),
    Mutant(
        "group is off by one", TENSOR, "best[i], tile * GROUPS + place", "best[i], tile * GROUPS"
    ),
    Mutant(
        "a column is skipped",
        SIMT,
        "for (int j = 1; j < 8; ++j) v",
        "for (int j = 2; j < 8; ++j) v",
    ),
    Mutant(
        "low part of x is dropped", TENSOR, "mma_bf16(sum[m], low[m][s], h0, h1)", "(void)low[m][s]"
    ),
    Mutant("low part of c is dropped", TENSOR, "mma_bf16(sum[m], high[m][s], l0, l1)", "(void)l1"),
    Mutant(
        "bias is left out of the offset", SIMT, "square[i] + static_cast<double>(b)", "square[i]"
    ),
    Mutant("bound without split", TENSOR, "split = 3.0517578125e-5f", "split = 0.0f"),
    Mutant("bound without rounding of scores", SIMT, "deep * canonical *", "0.0f *"),
    Mutant(
        "masked codes count in the bound", SIMT, "finite && fabsf(b) <= LARGEST", "finite && b == b"
    ),
    Mutant("overflow loses codes", SIMT, "if (!(s[r] > limit[r]))", "if (s[r] <= limit[r])"),
    Mutant(
        "highest index in a group",
        SIMT,
        "score2 == score && code2 < code",
        "score2 == score && code2 > code",
    ),
    Mutant("highest index in a thread", SIMT, "if (a < score[r])", "if (a <= score[r])"),
    Mutant("highest index in a block", SIMT, "code < winners[thread])", "code > winners[thread])"),
    Mutant(
        "score with fused operations", SIMT, "__dadd_rn(sum, __dmul_rn(t, t))", "fma(t, t, sum)"
    ),
    Mutant(
        "NaN scores win",
        SIMT,
        "sum == sum ? sum : static_cast<double>(INFINITE)",
        "sum == sum ? sum : 0.0",
    ),
    Mutant("NaN rows are searched", SIMT, "broken |= !(fabsf(v) <= LARGEST)", "broken |= 0"),
    Mutant(
        "-inf bias picks the last",
        SIMT,
        "0x7fffffffu - static_cast<unsigned int>(code)",
        "0x70000000u + static_cast<unsigned int>(code)",
    ),
]
