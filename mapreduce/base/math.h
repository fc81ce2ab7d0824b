// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_MATH_H_
#define MAPREDUCE_BASE_MATH_H_

// Functions whose results have the same bits on every machine. Those of <cmath> do not: which
// variant libm takes depends on the CPU, and the last bit of a result on the variant. (Of <cmath>,
// sqrt, fma, ldexp and what rounds to integers are exact, hence the same everywhere.)

namespace millrace {

// Correctly rounded: the double nearest to the true value (ties to even), subnormal ones included.
// Specials as in C's Annex F: Log(0) is -inf, Log(-1) NaN, Pow(x, 0) 1 for any x, and so on; every
// NaN that comes out is the same. No error is reported, neither in errno nor as a floating-point
// exception. Thread-safe. Some 2 microseconds (Pow: 4), libm's take 0.02: do not call them per
// record where a table of the results will do.

/// The natural logarithm.
double Log(double x);
/// e to the power x.
double Exp(double x);
/// `base` to the power `exponent`.
double Pow(double base, double exponent);

}  // namespace millrace

#endif  // MAPREDUCE_BASE_MATH_H_
