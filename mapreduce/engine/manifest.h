// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_MANIFEST_H_
#define MAPREDUCE_ENGINE_MANIFEST_H_

// The text of `_manifest.json`: the plan of a run and what came out of it. JSON, two spaces of
// indentation, integers as numbers, members in a fixed order, one final newline; the same manifest
// always has the same bytes. Its last member is the XXH3-128 of the whole file with that member's
// 32 digits taken as zeros, so that one flipped bit anywhere is noticed:
//
//   { "format": "millrace manifest", "version": 1, "run": "toplist-3f2a…", "plan_xxh128": "…",
//     "plan": { "job", "code", "parameters": [{"name", "value"}], "date", "parts", "compression",
//               "output_format" (where it is not tsv), "directory", "inputs": [{"name", "shards":
//               [{"path", "bytes", "xxh128"}]}] },
//     "stages": [{"name", "fingerprint"}], "outputs": ["toplist"],
//     "records_in": 1, "records_out": 1, "counters": {"name": 1},
//     "rejects": {"count": 0, "file": null or {"path", "bytes", "records", "xxh128"}},
//     "files": [{"path", "bytes", "records", "xxh128"}],
//     "manifest_xxh128": "…" }

#include <string>
#include <string_view>

#include "mapreduce/base/status.h"
#include "mapreduce/proto/manifest.pb.h"

namespace millrace {

/// The file's bytes. kInvalidArgument where a text is not UTF-8.
Result<std::string> EncodeManifest(const proto::Manifest& manifest);

/// Checks everything before it believes anything: the hash, then each member's type and range, that
/// paths stay below the output and none comes twice, that fingerprints fit the plan. Whatever is
/// wrong is kCorrupt and names `path`; a newer version is kInvalidArgument.
Result<proto::Manifest> DecodeManifest(std::string_view text, std::string_view path);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_MANIFEST_H_
