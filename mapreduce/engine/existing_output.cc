// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/existing_output.h"

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "mapreduce/engine/input_digests.h"
#include "mapreduce/engine/manifest_file.h"
#include "mapreduce/engine/output_layout.h"
#include "mapreduce/engine/plan_fingerprint.h"

namespace millrace {
namespace {

ExistingOutput InTheWay(std::string why) {
  return {.state = ExistingOutput::State::kInTheWay, .why = std::move(why)};
}

// The first file of the manifest that isn't there with its size; "" if all are.
std::string MissingFile(FileSystem& files, const std::string& output,
                        const proto::Manifest& manifest) {
  const auto problem = [&files, &output](const std::string& path, std::uint64_t bytes) {
    const Result<FileInfo> file = files.Stat(JoinPath(output, path));
    if (!file.ok() || file->is_directory) return "its " + path + " is missing";
    if (file->bytes != bytes) return "its " + path + " has another size than its manifest says";
    return std::string();
  };
  if (std::string why = problem(kSuccessName, 0); !why.empty()) return why;
  if (manifest.rejects().has_file()) {
    const proto::FileRecord& file = manifest.rejects().file();
    if (std::string why = problem(file.path(), file.bytes()); !why.empty()) return why;
  }
  for (const proto::FileRecord& file : manifest.files()) {
    if (std::string why = problem(file.path(), file.bytes()); !why.empty()) return why;
  }
  return "";
}

}  // namespace

Result<ExistingOutput> ExamineOutput(FileSystem& files, const std::string& output,
                                     PlannedJob& planned, int threads, const CancelToken& cancel,
                                     ProgressSink* progress) {
  std::error_code error;
  const auto status = std::filesystem::symlink_status(output, error);
  if (status.type() == std::filesystem::file_type::not_found) return ExistingOutput{};
  if (status.type() == std::filesystem::file_type::none) {
    return Status::CannotCreate("cannot look at ", output, ": ", error.message(),
                                "; choose another --output, or change who may go there");
  }
  if (!std::filesystem::is_directory(output, error)) return InTheWay("it is not a directory");

  Result<proto::Manifest> manifest = ReadManifest(files, output);
  if (!manifest.ok()) {
    return InTheWay(manifest.error().code() == StatusCode::kBadData
                        ? "it is no output of Millrace (--force would delete what is in it)"
                        : "its manifest can't be used: " + manifest.error().message());
  }
  const auto differences = [&] { return PlanDifferences(manifest->plan(), planned.plan); };
  const std::string different_plan = "it was made by a different plan: ";
  if (const std::vector<std::string> cheap = differences(); !cheap.empty()) {
    return InTheWay(different_plan + FirstOf(cheap));
  }
  if (std::string missing = MissingFile(files, output, *manifest); !missing.empty()) {
    return InTheWay(missing);
  }
  MR_RETURN_IF_ERROR(DigestInputs(files, planned, threads, cancel, progress));
  if (const std::vector<std::string> found = differences(); !found.empty()) {
    return InTheWay(different_plan + FirstOf(found));
  }
  if (PlanFingerprint(planned.plan).Hex() != manifest->plan_fingerprint()) {
    return InTheWay(different_plan + "its files are in another order");
  }
  return ExistingOutput{.state = ExistingOutput::State::kUpToDate,
                        .manifest = *std::move(manifest)};
}

}  // namespace millrace
