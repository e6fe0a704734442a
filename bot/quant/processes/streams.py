"""Random numbers by counting: each path has a stream of its own, named by a seed and its number.

The n-th word of a stream is a scrambling of its key plus n times an odd constant (SplitMix64). So a
path is the same however many others are walked beside it, in whatever portions, on any machine.
Streams are stretches of one sequence of 2^64 words that begin at random: of a million paths of ten
thousand words the odds that any two overlap are 1 in 2,000. Sources: G. Steele, D. Lea and
C. Flood, "Fast splittable pseudorandom number generators" (2014); D. Stafford's mix 13.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

WordArray = NDArray[np.uint64]

STRIDE: Final = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, odd
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_30: Final = np.uint64(30)
_27: Final = np.uint64(27)
_31: Final = np.uint64(31)


def scrambled(word: WordArray) -> WordArray:
    """A bijection of 64-bit words in which each bit depends on all; kernels compile it too."""
    word = (word ^ (word >> _30)) * _FIRST
    word = (word ^ (word >> _27)) * _SECOND
    return word ^ (word >> _31)


def keys(seed: int, first_path: int, paths: int) -> WordArray:
    """Where the streams of paths `first_path`, `first_path + 1`, ... under `seed` begin.

    ValueError if the seed is not of 64 bits or a number is negative.
    """
    if not 0 <= seed < 1 << 64 or first_path < 0 or paths < 0:
        raise ValueError(f"no streams {first_path}+{paths} of seed {seed}")
    numbers = np.arange(first_path, first_path + paths, dtype=np.uint64)
    root = scrambled(np.array([seed], dtype=np.uint64) + STRIDE)
    return scrambled(scrambled(numbers * _SECOND + root) ^ root)
