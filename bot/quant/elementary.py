"""Exponential, logarithm and normal tail without branches or library calls, for vector kernels.

A loop that calls libm, or that branches, is compiled for one option at a time. These are
polynomials and bit patterns only, so that LLVM turns the loop around them into the widest vectors
of the machine.
Coefficients are interpolations at Chebyshev nodes, computed with 60 digits; the errors below are
against 50-digit arithmetic and are held to by the tests.

Sources: range reduction as in W. J. Cody and W. Waite, "Software Manual for the Elementary
Functions" (1980); the tail as Mills' ratio times a rational change of variable, after W. J. Cody,
"Rational Chebyshev approximations for the error function" (1969).
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
    """Let the calling kernel use 512-bit vectors where the machine has them; LLVM prefers 256."""

    def generate(context: Any, builder: Any, _signature: Any, _values: Any) -> Any:
        # A plain string attribute, which the table of known ones does not hold.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


# Any: inside a kernel they take and return numbers, which the decorator's own type does not say.
_bits: Any = intrinsic(_as_bits)
_double: Any = intrinsic(_as_double)
use_widest_vectors: Any = intrinsic(_widest)


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


@njit(**INLINED)
def mills(a: float) -> float:
    """M(a) = N(-a) exp(a*a/2) for a in [0, 40], relative error under 1e-15."""
    shifted, grown = a + 4.0, 1.0 + 1.25 * a
    scale = 1.0 / (shifted * grown)
    ratio: float = _tail((a - 4.0) * grown * scale) * (shifted * scale)
    return ratio


# Estrin's scheme, pairs and then pairs of pairs: more products than Horner's, but a chain of five
# instead of twenty-two, which is what a vector unit waits for.


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
def _tail(t: float) -> float:
    """M(a) (1 + 1.25 a) of t = (a - 4)/(a + 4), for a in [0, 40]."""
    t2 = t * t
    t4 = t2 * t2
    a = (0.5664638478118136 - t * 0.07827991627104286) + t2 * (
        -0.013595270429278173 + t * 0.05367730690131564
    )
    b = (-0.04796349781201407 + t * 0.024543145721854516) + t2 * (
        -0.006379863750388402 - t * 0.0005167323591613814
    )
    c = (0.0009154173661089497 - t * 0.00010664891862774931) + t2 * (
        -0.00011697801235557414 + t * 2.5403922389937715e-05
    )
    d = (1.8107122689253076e-05 - t * 4.081013270708595e-06) + t2 * (
        -3.425036214778027e-06 + t * 4.5156402974769266e-07
    )
    e = (7.020433972802276e-07 + t * 1.6020088503084408e-08) + t2 * (
        -1.2836633355761724e-07 - t * 2.5954921950813695e-08
    )
    f = (1.4036446474718208e-08 + t * 5.651318376817215e-09) + t2 * 2.901010534124396e-10
    t8 = t4 * t4
    return (a + t4 * b) + t8 * ((c + t4 * d) + t8 * (e + t4 * f))
