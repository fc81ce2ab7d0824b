// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_MANIFEST_FILE_H_
#define MAPREDUCE_ENGINE_MANIFEST_FILE_H_

#include <string>

#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/proto/manifest.pb.h"

namespace millrace {

/// Reads `output`/_manifest.json. kNotFound where `output` does not exist, kBadData where it holds
/// no manifest, otherwise as DecodeManifest().
Result<proto::Manifest> ReadManifest(FileSystem& files, const std::string& output);

/// Writes `directory`/_manifest.json, then the empty `directory`/_SUCCESS. Neither may exist.
Status WriteManifest(FileSystem& files, const std::string& directory,
                     const proto::Manifest& manifest);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_MANIFEST_FILE_H_
