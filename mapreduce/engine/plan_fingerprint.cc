// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/plan_fingerprint.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>

#include "mapreduce/engine/canonical_hasher.h"

namespace millrace {
namespace {

// Enough to see what happened; a run over thousands of changed files stays one sentence.
constexpr std::size_t kDifferencesShown = 3;

std::string FullPath(const proto::Plan& plan, const std::string& path) {
  return (std::filesystem::path(plan.directory()) / path).lexically_normal().string();
}

// The paths of `input` without the deepest directory that holds them all, in shard order.
std::vector<std::string> RelativePaths(const proto::Plan& plan, const proto::PlanInput& input) {
  std::vector<std::string> paths;
  for (const proto::InputShard& shard : input.shards()) {
    paths.push_back(FullPath(plan, shard.path()));
  }
  if (paths.empty()) return paths;
  std::size_t common = paths[0].rfind('/') + 1;  // Past the slash; 0 where there is none.
  for (const std::string& path : paths) {
    const auto end = paths[0].begin() + static_cast<std::ptrdiff_t>(common);
    const auto differs = std::mismatch(paths[0].begin(), end, path.begin(), path.end()).first;
    common = static_cast<std::size_t>(differs - paths[0].begin());
    common = common == 0 ? 0 : paths[0].rfind('/', common - 1) + 1;
  }
  for (std::string& path : paths) path.erase(0, common);
  return paths;
}

void HashCode(CanonicalHasher& hasher, const proto::Plan& plan) {
  hasher.AddNumber(kFormatVersion);
  hasher.AddText(plan.job());
  hasher.AddText(plan.code());
  hasher.AddNumber(static_cast<std::uint64_t>(plan.parameters_size()));
  for (const proto::Parameter& parameter : plan.parameters()) {
    hasher.AddText(parameter.name());
    hasher.AddText(parameter.value());
  }
  hasher.AddText(plan.date());
}

void CompareText(const std::string& what, const std::string& before, const std::string& now,
                 std::vector<std::string>& differences) {
  if (before == now) return;
  const auto shown = [](const std::string& text) { return text.empty() ? "empty" : text; };
  differences.push_back(what + " was " + shown(before) + " and is " + shown(now));
}

void CompareParameters(const proto::Plan& before, const proto::Plan& now,
                       std::vector<std::string>& differences) {
  std::map<std::string, std::string> values;
  for (const proto::Parameter& parameter : before.parameters()) {
    values[parameter.name()] = parameter.value();
  }
  for (const proto::Parameter& parameter : now.parameters()) {
    const auto found = values.find(parameter.name());
    if (found == values.end()) {
      differences.push_back("parameter " + parameter.name() + " is new");
      continue;
    }
    CompareText("parameter " + parameter.name(), found->second, parameter.value(), differences);
    values.erase(found);
  }
  for (const auto& [name, value] : values) differences.push_back("parameter " + name + " is gone");
}

void CompareInputs(const proto::Plan& before, const proto::Plan& now,
                   std::vector<std::string>& differences) {
  std::map<std::string, const proto::PlanInput*> inputs;
  for (const proto::PlanInput& input : before.inputs()) inputs[input.name()] = &input;
  for (const proto::PlanInput& input : now.inputs()) {
    const auto found = inputs.find(input.name());
    if (found == inputs.end()) {
      differences.push_back("input " + input.name() + " is new");
      continue;
    }
    const auto format = [](const proto::PlanInput& of) {
      return of.format().empty() ? "not converted" : of.format();
    };
    CompareText("the format of " + input.name(), format(*found->second), format(input),
                differences);
    if (found->second->format() == input.format() && found->second->layout() != input.layout())
      differences.push_back("what is said of the columns of " + input.name() + " changed");
    const auto more = InputDifferences(before, *found->second, now, input);
    differences.insert(differences.end(), more.begin(), more.end());
    inputs.erase(found);
  }
  for (const auto& [name, input] : inputs) differences.push_back("input " + name + " is gone");
}

}  // namespace

Hash128 PlanFingerprint(const proto::Plan& plan) {
  CanonicalHasher hasher("millrace plan 1");
  HashCode(hasher, plan);
  hasher.AddNumber(plan.parts());
  hasher.AddText(plan.compression());
  hasher.AddNumber(static_cast<std::uint64_t>(plan.inputs_size()));
  for (const proto::PlanInput& input : plan.inputs()) {
    hasher.AddText(input.name());
    if (!input.format().empty()) {
      hasher.AddText(input.format());
      hasher.AddText(input.layout());
    }
    hasher.AddNumber(static_cast<std::uint64_t>(input.shards_size()));
    const std::vector<std::string> paths = RelativePaths(plan, input);
    for (int i = 0; i < input.shards_size(); ++i) {
      hasher.AddText(paths[static_cast<std::size_t>(i)]);
      hasher.AddNumber(input.shards(i).stored_bytes());
      hasher.AddText(input.shards(i).xxh128());
    }
  }
  // At the end, and only there: a plan without it is what it was before there were formats.
  if (!plan.output_format().empty()) hasher.AddText(plan.output_format());
  return hasher.Digest();
}

Hash128 StageFingerprint(const proto::Plan& plan, std::string_view stage) {
  CanonicalHasher hasher("millrace stage 1");
  HashCode(hasher, plan);
  hasher.AddText(stage);
  return hasher.Digest();
}

std::string RunId(const proto::Plan& plan, const Hash128& fingerprint) {
  return plan.job() + "-" + fingerprint.Hex().substr(0, 16);
}

std::vector<std::string> InputDifferences(const proto::Plan& before,
                                          const proto::PlanInput& input_before,
                                          const proto::Plan& now,
                                          const proto::PlanInput& input_now) {
  const std::vector<std::string> paths_before = RelativePaths(before, input_before);
  const std::vector<std::string> paths_now = RelativePaths(now, input_now);
  std::map<std::string, const proto::InputShard*> shards;
  for (int i = 0; i < input_before.shards_size(); ++i) {
    shards[paths_before[static_cast<std::size_t>(i)]] = &input_before.shards(i);
  }
  const std::string prefix = "input " + input_now.name() + ": ";
  std::vector<std::string> differences;
  for (int i = 0; i < input_now.shards_size(); ++i) {
    const std::string& path = paths_now[static_cast<std::size_t>(i)];
    const proto::InputShard& shard = input_now.shards(i);
    const auto found = shards.find(path);
    if (found == shards.end()) {
      differences.push_back(prefix + path + " is new");
      continue;
    }
    const proto::InputShard& old = *found->second;
    const bool both_hashed = !old.xxh128().empty() && !shard.xxh128().empty();
    if (old.stored_bytes() != shard.stored_bytes() ||
        (both_hashed && old.xxh128() != shard.xxh128())) {
      differences.push_back(prefix + path + " changed");
    }
    shards.erase(found);
  }
  for (const auto& [path, shard] : shards) differences.push_back(prefix + path + " is gone");
  return differences;
}

std::vector<std::string> PlanDifferences(const proto::Plan& before, const proto::Plan& now) {
  std::vector<std::string> differences;
  CompareText("the job", before.job(), now.job(), differences);
  if (!differences.empty()) return differences;  // All else differs in consequence.
  if (before.code() != now.code()) differences.push_back("the job's code changed");
  CompareParameters(before, now, differences);
  CompareText("the date", before.date(), now.date(), differences);
  CompareText("--parts", std::to_string(before.parts()), std::to_string(now.parts()), differences);
  CompareText("--compress", before.compression(), now.compression(), differences);
  const auto format = [](const proto::Plan& of) {
    return of.output_format().empty() ? "tsv" : of.output_format();
  };
  CompareText("--output-format", format(before), format(now), differences);
  CompareInputs(before, now, differences);
  return differences;
}

std::string FirstOf(const std::vector<std::string>& differences) {
  std::string text;
  for (std::size_t i = 0; i < differences.size() && i < kDifferencesShown; ++i) {
    if (i > 0) text += "; ";
    text += differences[i];
  }
  if (differences.size() > kDifferencesShown) {
    text += " and " + std::to_string(differences.size() - kDifferencesShown) + " more";
  }
  return text;
}

}  // namespace millrace
