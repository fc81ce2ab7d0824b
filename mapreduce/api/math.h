// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_MATH_H_
#define MAPREDUCE_API_MATH_H_

// Log, Exp and Pow for jobs: the same bits on every machine, as the bytes of an output must be.

#include "mapreduce/base/math.h"  // IWYU pragma: export

#endif  // MAPREDUCE_API_MATH_H_
