// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_RUN_SLICE_H_
#define MAPREDUCE_SHUFFLE_RUN_SLICE_H_

// Blocks of a run file that lie somewhere else: what a reduce task fetches of it. They are copied
// as they are; each block's hash is seeded with its place in the run file, so a slice needs no
// checksum of its own.
//
//   run file 7:    header | block block [block block block] block | index footer
//                                       begin             end
//   spool file:    ... other slices ... [block block block] ...
//                                       path_offset

#include <cstdint>
#include <memory>
#include <string>

#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/shuffle/run_cursor.h"
#include "mapreduce/shuffle/run_reader.h"
#include "mapreduce/shuffle/run_writer.h"

namespace millrace {

/// Whole blocks of one run file, and where they lie now.
struct RunSlice {
  std::string path;
  std::uint64_t path_offset = 0;
  std::uint64_t file_id = 0;          ///< Of the run file.
  RunBytes bytes;                     ///< Of the run file: from RunFile::SliceBytes.
  std::uint64_t block_bytes_max = 0;  ///< RunInfo's: no block is larger.
};

/// `bytes` of `run` where it was written.
RunSlice SliceOf(const RunInfo& run, RunBytes bytes);

/// Opens what slices lie in, for any number of cursors. kCorrupt if it is missing: lost is as good
/// as damaged.
Result<std::shared_ptr<RandomAccessFile>> OpenRunSlices(FileSystem& files, const std::string& path);

/// The records of `slice` with keys in `range`, in file order; `file` is what it lies in. Memory:
/// one block and some 20 KiB. Errors of the cursor, after the records of the blocks before the
/// damage: "<path>: run file 7: block 2 at byte 123: hash mismatch" and so on, kCorrupt; blocks
/// count from the slice's first, bytes are those of the run file.
std::unique_ptr<RunCursor> ReadRunSlice(std::shared_ptr<RandomAccessFile> file,
                                        const RunSlice& slice, const KeyRange& range);

/// Reads all of a slice: kCorrupt if it is damaged or missing.
Status CheckRunSlice(FileSystem& files, const RunSlice& slice);

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_RUN_SLICE_H_
