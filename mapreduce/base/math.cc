// SPDX-License-Identifier: Apache-2.0
// By GNU MPFR (Fousse et al., "MPFR: A Multiple-Precision Binary Floating-Point Library with
// Correct Rounding", 2007), whose results are correctly rounded at any precision. With a double's
// 53 bits and exponents, and the rounding of subnormal numbers done last, they are doubles exactly.
#include "mapreduce/base/math.h"

#include <mpfr.h>

#include <limits>

#include "mapreduce/base/status.h"

namespace millrace {
namespace {

static_assert(std::numeric_limits<double>::is_iec559 && std::numeric_limits<double>::digits == 53);
constexpr mpfr_prec_t kBits = 53;
// MPFR's significands are in [1/2, 1): the least double, 2^-1074, has the exponent -1073 there.
constexpr mpfr_exp_t kExponentMin = -1073;
constexpr mpfr_exp_t kExponentMax = 1024;

// MPFR's range of exponents, which is the thread's: set while it lives. The job may use MPFR, too.
class DoubleRange {
 public:
  DoubleRange() : min_(mpfr_get_emin()), max_(mpfr_get_emax()) {
    mpfr_set_emin(kExponentMin);
    mpfr_set_emax(kExponentMax);
  }
  DoubleRange(const DoubleRange&) = delete;
  DoubleRange& operator=(const DoubleRange&) = delete;
  ~DoubleRange() {
    mpfr_set_emin(min_);
    mpfr_set_emax(max_);
  }

 private:
  const mpfr_exp_t min_, max_;
};

// MPFR keeps constants such as log 2 for each thread; they go when the thread ends.
struct ThreadCache {
  ThreadCache() { MR_CHECK(mpfr_buildopt_tls_p() != 0); }  // Else all threads would share them.
  ~ThreadCache() { mpfr_free_cache(); }
};

// `call(result)` sets `result`, rounded to nearest, and returns on which side of the true value it
// is, as MPFR's functions do.
template <class Call>
double Rounded(Call&& call) {
  thread_local const ThreadCache cache;
  MPFR_DECL_INIT(result, kBits);
  const int side = call(result);
  mpfr_subnormalize(result, side, MPFR_RNDN);
  if (mpfr_nan_p(result)) return std::numeric_limits<double>::quiet_NaN();  // Of one sign.
  return mpfr_get_d(result, MPFR_RNDN);
}

}  // namespace

double Log(double x) {
  const DoubleRange range;
  MPFR_DECL_INIT(exact, kBits);
  mpfr_set_d(exact, x, MPFR_RNDN);
  return Rounded([&](mpfr_ptr result) { return mpfr_log(result, exact, MPFR_RNDN); });
}

double Exp(double x) {
  const DoubleRange range;
  MPFR_DECL_INIT(exact, kBits);
  mpfr_set_d(exact, x, MPFR_RNDN);
  return Rounded([&](mpfr_ptr result) { return mpfr_exp(result, exact, MPFR_RNDN); });
}

double Pow(double base, double exponent) {
  const DoubleRange range;
  MPFR_DECL_INIT(exact_base, kBits);
  MPFR_DECL_INIT(exact_exponent, kBits);
  mpfr_set_d(exact_base, base, MPFR_RNDN);
  mpfr_set_d(exact_exponent, exponent, MPFR_RNDN);
  return Rounded(
      [&](mpfr_ptr result) { return mpfr_pow(result, exact_base, exact_exponent, MPFR_RNDN); });
}

}  // namespace millrace
