"""The public rows of the op table. Written by `python -m flambeau.optable --stubs`."""

from collections.abc import Sequence
from typing import type_check_only

from flambeau._core import DTypeLike, Ints, Operand, Tensor

def abs(x: Tensor) -> Tensor:
    """The magnitude of x; the most negative integer stays as it is. The gradient at 0 is 0."""

def acos(x: Tensor) -> Tensor:
    """The angle whose cosine is x, in radians; NaN outside [-1, 1]."""

def acosh(x: Tensor) -> Tensor:
    """The number whose hyperbolic cosine is x; NaN below 1."""

def add(a: Operand, b: Operand) -> Tensor:
    """a + b; integers wrap."""

def all(x: Tensor, axis: Ints | None = None, keepdims: bool = False) -> Tensor:
    """Whether no element over `axis` is 0; true of nothing."""

def any(x: Tensor, axis: Ints | None = None, keepdims: bool = False) -> Tensor:
    """Whether some element over `axis` is not 0; false of nothing."""

def argmax(x: Tensor, axis: Ints | None = None, keepdims: bool = False) -> Tensor:
    """Where the first of the largest elements is along `axis` (of all, row by row, if not given)."""

def argmin(x: Tensor, axis: Ints | None = None, keepdims: bool = False) -> Tensor:
    """Where the first of the smallest elements is along `axis` (of all, row by row, if not given)."""

def argsort(x: Tensor, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The indices that put each line along an axis in order; equal elements stay in the order that they have,
    and NaN counts as larger than every number."""

def asin(x: Tensor) -> Tensor:
    """The angle whose sine is x, in radians; NaN outside [-1, 1]."""

def asinh(x: Tensor) -> Tensor:
    """The number whose hyperbolic sine is x."""

def atan(x: Tensor) -> Tensor:
    """The angle whose tangent is x, in radians."""

def atan2(a: Operand, b: Operand) -> Tensor:
    """The angle of the point (b, a), in radians between -pi and pi."""

def atanh(x: Tensor) -> Tensor:
    """The number whose hyperbolic tangent is x; NaN outside [-1, 1]."""

def bitwise_and(a: Operand, b: Operand) -> Tensor:
    """Bits that are set in both."""

def bitwise_invert(x: Tensor) -> Tensor:
    """Every bit turned round."""

def bitwise_left_shift(a: Operand, b: Operand) -> Tensor:
    """a's bits moved up by b places; 0 once all are gone."""

def bitwise_or(a: Operand, b: Operand) -> Tensor:
    """Bits that are set in one of them."""

def bitwise_right_shift(a: Operand, b: Operand) -> Tensor:
    """a's bits moved down by b places, its sign coming in above."""

def bitwise_xor(a: Operand, b: Operand) -> Tensor:
    """Bits that are set in exactly one of them."""

def broadcast_to(x: Tensor, shape: Ints) -> Tensor:
    """x repeated along new leading axes and those that are 1 long. A view: strides are 0 there."""

def ceil(x: Tensor) -> Tensor:
    """The smallest whole number that is not below x."""

def conj(x: Tensor) -> Tensor:
    """The complex conjugate; real numbers as they are."""

def copysign(a: Operand, b: Operand) -> Tensor:
    """The magnitude of a with the sign of b."""

def cos(x: Tensor) -> Tensor:
    """The cosine of x radians."""

def cosh(x: Tensor) -> Tensor:
    """The hyperbolic cosine."""

def divide(a: Operand, b: Operand) -> Tensor:
    """a / b; integers and bools alone are divided as float32."""

def equal(a: Operand, b: Operand) -> Tensor:
    """Whether a is b, element by element; NaN is not equal to itself."""

def exp(x: Tensor) -> Tensor:
    """e to the power x."""

def expand_dims(x: Tensor, axis: Ints = (0,)) -> Tensor:
    """New axes, 1 long, at these places of the result. A view."""

def expm1(x: Tensor) -> Tensor:
    """exp(x) - 1, exact for small x too."""

def floor(x: Tensor) -> Tensor:
    """The largest whole number that is not above x."""

def floor_divide(a: Operand, b: Operand) -> Tensor:
    """The largest whole number not above a / b; an integer divided by 0 gives 0, and where one of two floats is
    infinite it is a / b."""

def greater(a: Operand, b: Operand) -> Tensor:
    """Whether a is above b, element by element."""

def greater_equal(a: Operand, b: Operand) -> Tensor:
    """Whether a is at least b, element by element."""

def hypot(a: Operand, b: Operand) -> Tensor:
    """sqrt(a^2 + b^2) without overflow on the way."""

def imag(x: Tensor) -> Tensor:
    """The imaginary part."""

def isfinite(x: Tensor) -> Tensor:
    """Whether each element is neither infinite nor NaN."""

def isinf(x: Tensor) -> Tensor:
    """Whether each element is one of the two infinities."""

def isnan(x: Tensor) -> Tensor:
    """Whether each element is NaN."""

def less(a: Operand, b: Operand) -> Tensor:
    """Whether a is below b, element by element."""

def less_equal(a: Operand, b: Operand) -> Tensor:
    """Whether a is at most b, element by element."""

def log(x: Tensor) -> Tensor:
    """The natural logarithm; -inf at zero, NaN below."""

def log10(x: Tensor) -> Tensor:
    """The logarithm of base 10."""

def log1p(x: Tensor) -> Tensor:
    """log(1 + x), exact for small x too."""

def log2(x: Tensor) -> Tensor:
    """The logarithm of base 2."""

def logaddexp(a: Operand, b: Operand) -> Tensor:
    """log(exp(a) + exp(b)) without overflow."""

def logical_and(a: Operand, b: Operand) -> Tensor:
    """Whether both are true."""

def logical_not(x: Tensor) -> Tensor:
    """True where x is false."""

def logical_or(a: Operand, b: Operand) -> Tensor:
    """Whether one of them is true."""

def logical_xor(a: Operand, b: Operand) -> Tensor:
    """Whether exactly one of them is true."""

def logsumexp(x: Tensor, axis: Ints | None = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over `axis` (all axes if not given) without overflow; -inf of nothing."""

def matmul(a: Operand, b: Operand) -> Tensor:
    """The matrix product of the last two axes, for each of the batch dimensions before them (broadcast)."""

def max(x: Tensor, axis: Ints | None = None, keepdims: bool = False) -> Tensor:
    """The largest element over `axis`; NaN if there is one. Equal ones share the gradient."""

def maximum(a: Operand, b: Operand) -> Tensor:
    """The larger of a and b; NaN if either is. Equal ones share the gradient."""

def mean(x: Tensor, axis: Ints | None = None, keepdims: bool = False) -> Tensor:
    """The mean over `axis` (all axes if not given); NaN where there is nothing."""

def min(x: Tensor, axis: Ints | None = None, keepdims: bool = False) -> Tensor:
    """The smallest element over `axis`; NaN if there is one. Equal ones share the gradient."""

def minimum(a: Operand, b: Operand) -> Tensor:
    """The smaller of a and b; NaN if either is. Equal ones share the gradient."""

def multiply(a: Operand, b: Operand) -> Tensor:
    """a times b; integers wrap."""

def negative(x: Tensor) -> Tensor:
    """-x, element by element."""

def nextafter(a: Operand, b: Operand) -> Tensor:
    """The number next to a in the direction of b, among those of the type."""

def not_equal(a: Operand, b: Operand) -> Tensor:
    """Whether a differs from b, element by element."""

def permute_dims(x: Tensor, axes: Ints) -> Tensor:
    """The axes in another order: axis i of the result is axis axes[i] of x. A view."""

def pow(a: Operand, b: Operand) -> Tensor:
    """a to the power b; a negative integer exponent cuts the true power toward zero."""

def real(x: Tensor) -> Tensor:
    """The real part; real numbers as they are."""

def reciprocal(x: Tensor) -> Tensor:
    """1 / x."""

def remainder(a: Operand, b: Operand) -> Tensor:
    """a - b floor(a / b), with b's sign as in Python; an integer modulo 0 gives 0."""

def round(x: Tensor) -> Tensor:
    """The nearest whole number, the even one of two; of a complex number each part."""

def sign(x: Tensor) -> Tensor:
    """-1, 0 or 1, of a complex number x / |x|; NaN stays NaN."""

def signbit(x: Tensor) -> Tensor:
    """Whether the sign of each element is set, -0 and NaN included."""

def sin(x: Tensor) -> Tensor:
    """The sine of x radians."""

def sinh(x: Tensor) -> Tensor:
    """The hyperbolic sine."""

def sort(x: Tensor, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """Each line along an axis in order; equal elements stay in the order that they have, and NaN counts as
    larger than every number."""

def sqrt(x: Tensor) -> Tensor:
    """The square root; NaN below zero."""

def square(x: Tensor) -> Tensor:
    """x times x."""

def subtract(a: Operand, b: Operand) -> Tensor:
    """a - b; integers wrap."""

def sum(x: Tensor, axis: Ints | None = None, keepdims: bool = False, dtype: DTypeLike | None = None) -> Tensor:
    """The sum over `axis` (all axes if not given). bool and integers give int64, unsigned ones uint64 (on a
    device without it, 32 bits), unless `dtype` says otherwise."""

def take(x: Tensor, indices: Tensor, axis: int | None = None) -> Tensor:
    """The parts of x at these indices along an axis, which is replaced by the axes of the indices; a negative
    index counts from the end."""

def take_along_axis(x: Tensor, indices: Tensor, axis: int = -1) -> Tensor:
    """For each line along an axis, its elements at this line's own indices: out[i, j] = x[i, indices[i, j]]."""

def tan(x: Tensor) -> Tensor:
    """The tangent of x radians."""

def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent."""

def topk(x: Tensor, k: int, axis: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]:
    """The k largest (or smallest) elements along an axis in their order, and their indices; NaN counts as
    larger than every number."""

def trunc(x: Tensor) -> Tensor:
    """x without its fraction."""

@type_check_only
class TableMethods:
    """What Tensor has of the table."""

    def abs(self) -> Tensor:
        """The magnitude of x; the most negative integer stays as it is. The gradient at 0 is 0."""

    def acos(self) -> Tensor:
        """The angle whose cosine is x, in radians; NaN outside [-1, 1]."""

    def acosh(self) -> Tensor:
        """The number whose hyperbolic cosine is x; NaN below 1."""

    def add(self, b: Operand) -> Tensor:
        """a + b; integers wrap."""

    def all(self, axis: Ints | None = None, keepdims: bool = False) -> Tensor:
        """Whether no element over `axis` is 0; true of nothing."""

    def any(self, axis: Ints | None = None, keepdims: bool = False) -> Tensor:
        """Whether some element over `axis` is not 0; false of nothing."""

    def argmax(self, axis: Ints | None = None, keepdims: bool = False) -> Tensor:
        """Where the first of the largest elements is along `axis` (of all, row by row, if not given)."""

    def argmin(self, axis: Ints | None = None, keepdims: bool = False) -> Tensor:
        """Where the first of the smallest elements is along `axis` (of all, row by row, if not given)."""

    def argsort(self, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
        """The indices that put each line along an axis in order; equal elements stay in the order that they have,
        and NaN counts as larger than every number."""

    def asin(self) -> Tensor:
        """The angle whose sine is x, in radians; NaN outside [-1, 1]."""

    def asinh(self) -> Tensor:
        """The number whose hyperbolic sine is x."""

    def atan(self) -> Tensor:
        """The angle whose tangent is x, in radians."""

    def atan2(self, b: Operand) -> Tensor:
        """The angle of the point (b, a), in radians between -pi and pi."""

    def atanh(self) -> Tensor:
        """The number whose hyperbolic tangent is x; NaN outside [-1, 1]."""

    def bitwise_and(self, b: Operand) -> Tensor:
        """Bits that are set in both."""

    def bitwise_invert(self) -> Tensor:
        """Every bit turned round."""

    def bitwise_left_shift(self, b: Operand) -> Tensor:
        """a's bits moved up by b places; 0 once all are gone."""

    def bitwise_or(self, b: Operand) -> Tensor:
        """Bits that are set in one of them."""

    def bitwise_right_shift(self, b: Operand) -> Tensor:
        """a's bits moved down by b places, its sign coming in above."""

    def bitwise_xor(self, b: Operand) -> Tensor:
        """Bits that are set in exactly one of them."""

    def broadcast_to(self, shape: Ints) -> Tensor:
        """x repeated along new leading axes and those that are 1 long. A view: strides are 0 there."""

    def ceil(self) -> Tensor:
        """The smallest whole number that is not below x."""

    def conj(self) -> Tensor:
        """The complex conjugate; real numbers as they are."""

    def copysign(self, b: Operand) -> Tensor:
        """The magnitude of a with the sign of b."""

    def cos(self) -> Tensor:
        """The cosine of x radians."""

    def cosh(self) -> Tensor:
        """The hyperbolic cosine."""

    def divide(self, b: Operand) -> Tensor:
        """a / b; integers and bools alone are divided as float32."""

    def equal(self, b: Operand) -> Tensor:
        """Whether a is b, element by element; NaN is not equal to itself."""

    def exp(self) -> Tensor:
        """e to the power x."""

    def expand_dims(self, axis: Ints = (0,)) -> Tensor:
        """New axes, 1 long, at these places of the result. A view."""

    def expm1(self) -> Tensor:
        """exp(x) - 1, exact for small x too."""

    def floor(self) -> Tensor:
        """The largest whole number that is not above x."""

    def floor_divide(self, b: Operand) -> Tensor:
        """The largest whole number not above a / b; an integer divided by 0 gives 0, and where one of two floats is
        infinite it is a / b."""

    def greater(self, b: Operand) -> Tensor:
        """Whether a is above b, element by element."""

    def greater_equal(self, b: Operand) -> Tensor:
        """Whether a is at least b, element by element."""

    def hypot(self, b: Operand) -> Tensor:
        """sqrt(a^2 + b^2) without overflow on the way."""

    def imag(self) -> Tensor:
        """The imaginary part."""

    def isfinite(self) -> Tensor:
        """Whether each element is neither infinite nor NaN."""

    def isinf(self) -> Tensor:
        """Whether each element is one of the two infinities."""

    def isnan(self) -> Tensor:
        """Whether each element is NaN."""

    def less(self, b: Operand) -> Tensor:
        """Whether a is below b, element by element."""

    def less_equal(self, b: Operand) -> Tensor:
        """Whether a is at most b, element by element."""

    def log(self) -> Tensor:
        """The natural logarithm; -inf at zero, NaN below."""

    def log10(self) -> Tensor:
        """The logarithm of base 10."""

    def log1p(self) -> Tensor:
        """log(1 + x), exact for small x too."""

    def log2(self) -> Tensor:
        """The logarithm of base 2."""

    def logaddexp(self, b: Operand) -> Tensor:
        """log(exp(a) + exp(b)) without overflow."""

    def logical_and(self, b: Operand) -> Tensor:
        """Whether both are true."""

    def logical_not(self) -> Tensor:
        """True where x is false."""

    def logical_or(self, b: Operand) -> Tensor:
        """Whether one of them is true."""

    def logical_xor(self, b: Operand) -> Tensor:
        """Whether exactly one of them is true."""

    def logsumexp(self, axis: Ints | None = None, keepdims: bool = False) -> Tensor:
        """log(sum(exp(x))) over `axis` (all axes if not given) without overflow; -inf of nothing."""

    def matmul(self, b: Operand) -> Tensor:
        """The matrix product of the last two axes, for each of the batch dimensions before them (broadcast)."""

    def max(self, axis: Ints | None = None, keepdims: bool = False) -> Tensor:
        """The largest element over `axis`; NaN if there is one. Equal ones share the gradient."""

    def maximum(self, b: Operand) -> Tensor:
        """The larger of a and b; NaN if either is. Equal ones share the gradient."""

    def mean(self, axis: Ints | None = None, keepdims: bool = False) -> Tensor:
        """The mean over `axis` (all axes if not given); NaN where there is nothing."""

    def min(self, axis: Ints | None = None, keepdims: bool = False) -> Tensor:
        """The smallest element over `axis`; NaN if there is one. Equal ones share the gradient."""

    def minimum(self, b: Operand) -> Tensor:
        """The smaller of a and b; NaN if either is. Equal ones share the gradient."""

    def multiply(self, b: Operand) -> Tensor:
        """a times b; integers wrap."""

    def negative(self) -> Tensor:
        """-x, element by element."""

    def nextafter(self, b: Operand) -> Tensor:
        """The number next to a in the direction of b, among those of the type."""

    def not_equal(self, b: Operand) -> Tensor:
        """Whether a differs from b, element by element."""

    def pow(self, b: Operand) -> Tensor:
        """a to the power b; a negative integer exponent cuts the true power toward zero."""

    def real(self) -> Tensor:
        """The real part; real numbers as they are."""

    def reciprocal(self) -> Tensor:
        """1 / x."""

    def remainder(self, b: Operand) -> Tensor:
        """a - b floor(a / b), with b's sign as in Python; an integer modulo 0 gives 0."""

    def round(self) -> Tensor:
        """The nearest whole number, the even one of two; of a complex number each part."""

    def sign(self) -> Tensor:
        """-1, 0 or 1, of a complex number x / |x|; NaN stays NaN."""

    def signbit(self) -> Tensor:
        """Whether the sign of each element is set, -0 and NaN included."""

    def sin(self) -> Tensor:
        """The sine of x radians."""

    def sinh(self) -> Tensor:
        """The hyperbolic sine."""

    def sort(self, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
        """Each line along an axis in order; equal elements stay in the order that they have, and NaN counts as
        larger than every number."""

    def sqrt(self) -> Tensor:
        """The square root; NaN below zero."""

    def square(self) -> Tensor:
        """x times x."""

    def squeeze(self, axis: Ints) -> Tensor:
        """Without these axes, each 1 long. A view."""

    def subtract(self, b: Operand) -> Tensor:
        """a - b; integers wrap."""

    def sum(self, axis: Ints | None = None, keepdims: bool = False, dtype: DTypeLike | None = None) -> Tensor:
        """The sum over `axis` (all axes if not given). bool and integers give int64, unsigned ones uint64 (on a
        device without it, 32 bits), unless `dtype` says otherwise."""

    def take(self, indices: Tensor, axis: int | None = None) -> Tensor:
        """The parts of x at these indices along an axis, which is replaced by the axes of the indices; a negative
        index counts from the end."""

    def take_along_axis(self, indices: Tensor, axis: int = -1) -> Tensor:
        """For each line along an axis, its elements at this line's own indices: out[i, j] = x[i, indices[i, j]]."""

    def tan(self) -> Tensor:
        """The tangent of x radians."""

    def tanh(self) -> Tensor:
        """The hyperbolic tangent."""

    def topk(self, k: int, axis: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]:
        """The k largest (or smallest) elements along an axis in their order, and their indices; NaN counts as
        larger than every number."""

    def trunc(self) -> Tensor:
        """x without its fraction."""

    def where(self, x: Operand, y: Operand) -> Tensor:
        """x where the condition is true, y where it is not."""
