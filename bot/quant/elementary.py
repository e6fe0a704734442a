"""Exponential, logarithm and normal tail without branches or library calls, for vector kernels.

A loop that calls libm, or that branches, is compiled for one option at a time. These are
polynomials and bit patterns only, so that LLVM turns the loop around them into the widest vectors
of the machine.
Coefficients are interpolations at Chebyshev nodes (for the tail: of (a - 4)/(a + 4)), computed
with 60 digits; the errors below are against 50-digit arithmetic and are held to by the tests.

Sources: range reduction as in W. J. Cody and W. Waite, "Software Manual for the Elementary
Functions" (1980); the tail as a rational function for Mills' ratio, after W. J. Cody, "Rational
Chebyshev approximations for the error function" (1969).
"""

from typing import Any

from numba import njit, types
from numba.extending import intrinsic

OPTIONS: dict[str, Any] = {
    # Contraction only: regrouping sums, or a reciprocal for a division, would cost digits, and
    # promising that nothing is nan would let the checks for it be dropped.
    "fastmath": {"nsz", "contract"},
    "error_model": "numpy",
}
INLINED: dict[str, Any] = {**OPTIONS, "forceinline": True}  # a call inside a loop stays scalar

ROUNDER = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest integer in the low bits
LOG2_E = 1.4426950408889634
LN2_HIGH = 0.6931471804855391  # 20 trailing zero bits: a multiple by any exponent is exact
LN2_LOW = 7.440617110012397e-11
EXPONENT_BITS = 52
HALF_BIT = 1 << (EXPONENT_BITS - 1)
ONE_BITS = 0x3FF << EXPONENT_BITS
EXPONENT_MAX = 1000
VECTORS_ABREAST = 2


def _reinterpreted(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    """The same 64 bits under the other type."""
    return builder.bitcast(values[0], context.get_value_type(signature.return_type))


def _as_bits(_context: Any, value: Any) -> Any:
    """The bit pattern of a double."""
    return types.int64(value), _reinterpreted


def _as_double(_context: Any, value: Any) -> Any:
    """The double of a bit pattern."""
    return types.float64(value), _reinterpreted


def _widest(_context: Any) -> Any:
    """Let the calling kernel use 512-bit vectors where the machine has them; LLVM prefers 256.

    What it then spills is aligned too, or half of the reloads would straddle two cache lines.
    """

    def generate(context: Any, builder: Any, _signature: Any, _values: Any) -> Any:
        # Plain string attributes, which the table of known ones does not hold.
        attributes = builder.function.attributes
        set.add(attributes, '"prefer-vector-width"="512"')
        set.add(attributes, '"stackrealign"')
        return context.get_dummy_value()

    return types.void(), generate


def _label(block: Any) -> int:
    """Where in the bytecode a block begins: numba calls it B and that, its pieces by suffixes."""
    number: str = block.name.removeprefix("B").partition(".")[0]
    return int(number) if number.isdecimal() else -1


def _last_latch(function: Any) -> Any:
    """The jump back of the loop that was written last, or None if it looks like none."""
    jumps = (
        (_label(block), block.terminator)
        for block in function.blocks
        if block.terminator is not None
        for target in block.terminator.operands
        if target in function.blocks
        and "." not in target.name
        and 0 <= _label(target) <= _label(block)
    )
    return max(jumps, key=lambda jump: jump[0], default=(0, None))[1]


def _two_abreast(_context: Any) -> Any:
    """Have the loop that ends just above run two vectors at once, a step of each in turn.

    One option is a chain of some two hundred cycles of waiting, and the next is too far down the
    program for the processor to see it: what `#pragma clang loop interleave_count(2)` is for.
    The loop must store something itself, after all that is inlined into it: LLVM folds an empty
    end of a loop away, and the hint with it.
    """

    def generate(context: Any, builder: Any, _signature: Any, _values: Any) -> Any:
        module, latch = builder.module, _last_latch(builder.function)
        if latch is not None:
            count = context.get_constant(types.int32, VECTORS_ABREAST)
            hint = module.add_metadata(["llvm.loop.interleave.count", count])
            # LLVM knows a loop by a node that names itself first.
            name = module.add_metadata([hint])
            name.operands = (name, hint)
            latch.set_metadata("llvm.loop", name)
        return context.get_dummy_value()

    return types.void(), generate


# Any: inside a kernel they take and return numbers, which the decorator's own type does not say.
_bits: Any = intrinsic(_as_bits)
_double: Any = intrinsic(_as_double)
use_widest_vectors: Any = intrinsic(_widest)
two_abreast: Any = intrinsic(_two_abreast)


@njit(**INLINED)
def exponential(y: float) -> float:
    """e**y for y in [-708, 708], relative error under 3e-16."""
    shifted = y * LOG2_E + ROUNDER
    n = shifted - ROUNDER
    r = (y - n * LN2_HIGH) - n * LN2_LOW
    power = _double((_bits(shifted) << EXPONENT_BITS) + ONE_BITS)
    value: float = (1.0 + (r + r * r * _exponential_rest(r))) * power
    return value


@njit(**INLINED)
def log_ratio(a: float, b: float) -> float:
    """ln(a/b) for normal positive a and b, relative error under 6e-16 even where a/b rounds to 1.

    With b' = b 2**e the multiple of b nearest to a, a - b' is exact, and
    ln(a/b) = e ln 2 + 2 artanh((a - b')/(a + b')).
    """
    e = (_bits(a) - _bits(b) + HALF_BIT) >> EXPONENT_BITS
    e = min(max(e, -EXPONENT_MAX), EXPONENT_MAX)
    near = b * _double((e << EXPONENT_BITS) + ONE_BITS)
    u = (a - near) / (a + near)
    z = u * u
    n = float(e)
    log: float = n * LN2_HIGH + (n * LN2_LOW + (2.0 * u + u * z * _artanh_rest(z)))
    return log


# Estrin's scheme, pairs and then pairs of pairs: more products than Horner's, but a chain of four
# instead of ten, which is what a vector unit waits for.


@njit(**INLINED)
def _exponential_rest(r: float) -> float:
    """(e**r - 1 - r) / r**2 for |r| <= ln(2)/2."""
    r2 = r * r
    r4 = r2 * r2
    a = (0.5000000000000001 + r * 0.16666666666666669) + r2 * (
        0.04166666666662413 + r * 0.008333333333330062
    )
    b = (0.0013888888917213717 + r * 0.00019841269863053618) + r2 * (
        2.4801521295954376e-05 + r * 2.7557268459997064e-06
    )
    c = 2.7620088445409746e-07 + r * 2.510038549551032e-08
    return (a + r4 * b) + r4 * r4 * c


@njit(**INLINED)
def _artanh_rest(z: float) -> float:
    """(2 artanh(u) - 2 u) / u**3 of z = u**2 <= 0.04."""
    z2 = z * z
    z4 = z2 * z2
    a = (0.6666666666666666 + z * 0.4000000000000794) + z2 * (
        0.28571428567275936 + z * 0.2222222304835159
    )
    b = (0.18181737626302938 + z * 0.15388867805613718) + z2 * (
        0.13209708242059462 + z * 0.13609030262858499
    )
    return a + z4 * b


@njit(**INLINED)
def mills_terms(a: float) -> tuple[float, float]:
    """Numerator and denominator of M(a) = N(-a) exp(a*a/2) for a in [0, 40].

    The quotient's relative error is under 1e-15: no coefficient is negative, so that no digit is
    lost. Not divided here, since those who want several divide them all at once; the denominator
    is 1 at 0 and 2e11 at 40.
    """
    a2 = a * a
    a4 = a2 * a2
    a8 = a4 * a4
    above = (
        (0.5 + a * 0.7765641397907815) + a2 * (0.5964708193378727 + a * 0.2910478703813179)
    ) + (
        a4
        * (
            (0.09846131519083871 + a * 0.023852521829217956)
            + a2 * (0.00413752114872265 + a * 0.0004972730660831567)
        )
        + a8 * (3.786351803240895e-05 + a * 1.412006087028076e-06)
    )
    below = (
        (1.0 + a * 2.3510128403844215) + a2 * (2.5687784862680085 + a * 1.7221395351506155)
    ) + (
        a4
        * (
            (0.7868808831123079 + a * 0.2569873142590225)
            + a2 * (0.0610288059825763 + a * 0.010466137253814498)
        )
        + a8 * ((0.0012500181021993545 + a * 9.490976487536711e-05) + a2 * 3.5393743817034457e-06)
    )
    return above, below
