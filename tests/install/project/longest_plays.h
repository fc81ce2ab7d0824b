// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_INSTALL_PROJECT_LONGEST_PLAYS_H_
#define TESTS_INSTALL_PROJECT_LONGEST_PLAYS_H_

#include "mapreduce/api/job.h"

/// The longest play of each track, in seconds.
void LongestPlays(millrace::Job& job);

#endif  // TESTS_INSTALL_PROJECT_LONGEST_PLAYS_H_
