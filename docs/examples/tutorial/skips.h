// SPDX-License-Identifier: Apache-2.0
#ifndef SKIPS_H_
#define SKIPS_H_

#include "mapreduce/api/job.h"

/// Per track: plays, and how many of them were skipped.
void Skips(millrace::Job& job);

#endif  // SKIPS_H_
