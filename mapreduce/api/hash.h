// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_HASH_H_
#define MAPREDUCE_API_HASH_H_

// For jobs: Hash64 and Hasher64, Hash128 and Hasher128, XXH3, the same on every machine. Not
// cryptographic.

#include "mapreduce/base/hash.h"

#endif  // MAPREDUCE_API_HASH_H_
