// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_OUTPUT_LAYOUT_H_
#define MAPREDUCE_ENGINE_OUTPUT_LAYOUT_H_

// What lies in an output directory beside its part files.

namespace millrace {

inline constexpr char kManifestName[] = "_manifest.json";
inline constexpr char kSuccessName[] = "_SUCCESS";      ///< Empty; written last.
inline constexpr char kRejectsName[] = "_rejects.tsv";  ///< Where there are any.

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_OUTPUT_LAYOUT_H_
