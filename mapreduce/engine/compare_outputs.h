// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_COMPARE_OUTPUTS_H_
#define MAPREDUCE_ENGINE_COMPARE_OUTPUTS_H_

#include <string>
#include <vector>

#include "mapreduce/base/cancel.h"
#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/proto/manifest.pb.h"

namespace millrace {

/// Two outputs of one plan: where they lie and what their manifests say.
struct OutputPair {
  std::string before_directory, now_directory;
  const proto::Manifest& before;
  const proto::Manifest& now;
};

/// Compares all files byte for byte, and what the manifests count. One clause per difference, in
/// file order: "part-00000.tsv differs from byte 17 on, in record 2". Of compressed files the
/// decompressed bytes are counted. Errors only for cancellation.
Result<std::vector<std::string>> CompareOutputs(FileSystem& files, const OutputPair& pair,
                                                const CancelToken& cancel);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_COMPARE_OUTPUTS_H_
