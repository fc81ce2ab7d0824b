// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_FILE_DIGEST_H_
#define MAPREDUCE_ENGINE_FILE_DIGEST_H_

#include <string>

#include "mapreduce/base/cancel.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"

namespace millrace {

/// XXH3-128 of a file's stored bytes, as `xxh128sum` prints it.
Result<Hash128> HashFile(FileSystem& files, const std::string& path, const CancelToken& cancel);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_FILE_DIGEST_H_
