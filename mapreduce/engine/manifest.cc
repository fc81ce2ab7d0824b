// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/manifest.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "mapreduce/base/hash.h"
#include "mapreduce/engine/output_layout.h"
#include "mapreduce/engine/plan_fingerprint.h"
#include "mapreduce/engine/utf8.h"
#include "mapreduce/formats/output_rows.h"

namespace millrace {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kFormat = "millrace manifest";
constexpr std::string_view kHashPrefix = "\"manifest_xxh128\": \"";
constexpr std::string_view kHashSuffix = "\"\n}\n";
constexpr std::string_view kZeros = "00000000000000000000000000000000";
constexpr std::size_t kTrailerBytes = kHashPrefix.size() + kZeros.size() + kHashSuffix.size();

// The hash of a manifest's text whose hash digits start at `digits`.
Hash128 HashAround(std::string_view text, std::size_t digits) {
  Hasher128 hasher;
  hasher.Update(text.substr(0, digits));
  hasher.Update(kZeros);
  hasher.Update(text.substr(digits + kZeros.size()));
  return hasher.Digest();
}

// Builds the JSON; remembers the first text that JSON can't hold.
class Encoder {
 public:
  Json Encode(const proto::Manifest& manifest) {
    Json json;
    json["format"] = kFormat;
    json["version"] = manifest.format_version();
    json["run"] = Text(manifest.run());
    json["plan_xxh128"] = Text(manifest.plan_fingerprint());
    json["plan"] = Plan(manifest.plan());
    json["stages"] = List(manifest.stages(), [this](const proto::StageRecord& stage) {
      return Json{{"name", Text(stage.name())}, {"fingerprint", Text(stage.fingerprint())}};
    });
    json["outputs"] =
        List(manifest.outputs(), [this](const std::string& name) { return Json(Text(name)); });
    json["records_in"] = manifest.records_in();
    json["records_out"] = manifest.records_out();
    json["counters"] = Json::object();
    for (const proto::Counter& counter : manifest.counters()) {
      json["counters"][Text(counter.name())] = counter.value();
    }
    const bool has_rejects = manifest.rejects().has_file();
    json["rejects"] = {{"count", manifest.rejects().count()},
                       {"file", has_rejects ? File(manifest.rejects().file()) : Json(nullptr)}};
    json["files"] =
        List(manifest.files(), [this](const proto::FileRecord& file) { return File(file); });
    json["manifest_xxh128"] = kZeros;
    return json;
  }
  const std::optional<std::string>& bad_text() const { return bad_text_; }

 private:
  template <class Items, class F>
  static Json List(const Items& items, F&& encode) {
    Json list = Json::array();
    for (const auto& item : items) list.push_back(encode(item));
    return list;
  }
  std::string Text(const std::string& text) {
    if (IsUtf8(text)) return text;
    if (!bad_text_) bad_text_ = text;
    return "";
  }
  Json File(const proto::FileRecord& file) {
    return {{"path", Text(file.path())},
            {"bytes", file.bytes()},
            {"records", file.records()},
            {"xxh128", Text(file.xxh128())}};
  }
  Json Plan(const proto::Plan& plan) {
    Json json;
    json["job"] = Text(plan.job());
    json["code"] = Text(plan.code());
    json["parameters"] = List(plan.parameters(), [this](const proto::Parameter& parameter) {
      return Json{{"name", Text(parameter.name())}, {"value", Text(parameter.value())}};
    });
    json["date"] = Text(plan.date());
    json["parts"] = plan.parts();
    json["compression"] = Text(plan.compression());
    if (!plan.output_format().empty()) json["output_format"] = Text(plan.output_format());
    json["directory"] = Text(plan.directory());
    json["inputs"] = List(plan.inputs(), [this](const proto::PlanInput& input) {
      Json to{{"name", Text(input.name())}};
      if (!input.format().empty()) {
        to["format"] = Text(input.format());
        to["layout_xxh128"] = Text(input.layout());
      }
      to["shards"] = List(input.shards(), [this](const proto::InputShard& shard) {
        return Json{{"path", Text(shard.path())},
                    {"bytes", shard.stored_bytes()},
                    {"xxh128", Text(shard.xxh128())}};
      });
      return to;
    });
    return json;
  }

  std::optional<std::string> bad_text_;
};

// Takes JSON apart; sticky: after the first member that isn't what it should be, all else is empty.
class Decoder {
 public:
  proto::Manifest Decode(const Json& json) {
    proto::Manifest manifest;
    if (Text(json, "format") != kFormat) Fail("format");
    manifest.set_format_version(Number32(json, "version"));
    manifest.set_run(Text(json, "run"));
    manifest.set_plan_fingerprint(Digest(json, "plan_xxh128"));
    Plan(Member(json, "plan"), *manifest.mutable_plan());
    for (const Json& stage : List(json, "stages")) {
      proto::StageRecord& to = *manifest.add_stages();
      to.set_name(Text(stage, "name"));
      to.set_fingerprint(Digest(stage, "fingerprint"));
    }
    for (const Json& name : List(json, "outputs")) {
      if (!name.is_string()) Fail("outputs");
      manifest.add_outputs(name.is_string() ? name.get<std::string>() : "");
    }
    manifest.set_records_in(Number(json, "records_in"));
    manifest.set_records_out(Number(json, "records_out"));
    Counters(Member(json, "counters"), manifest);
    const Json& rejects = Member(json, "rejects");
    manifest.mutable_rejects()->set_count(Number(rejects, "count"));
    if (const Json& file = Member(rejects, "file"); !file.is_null()) {
      File(file, *manifest.mutable_rejects()->mutable_file());
    }
    for (const Json& file : List(json, "files")) File(file, *manifest.add_files());
    return manifest;
  }
  /// The member that is missing or has the wrong type; empty if all is well.
  const std::string& bad_member() const { return bad_member_; }

 private:
  void Fail(const std::string& member) {
    if (bad_member_.empty()) bad_member_ = member;
  }
  const Json& Member(const Json& json, const char* name) {
    static const Json kNothing;
    if (const auto found = json.find(name); json.is_object() && found != json.end()) return *found;
    Fail(name);
    return kNothing;
  }
  const Json& List(const Json& json, const char* name) {
    static const Json kEmpty = Json::array();
    const Json& list = Member(json, name);
    if (list.is_array()) return list;
    Fail(name);
    return kEmpty;
  }
  std::string Text(const Json& json, const char* name) {
    const Json& text = Member(json, name);
    if (text.is_string()) return text.get<std::string>();
    Fail(name);
    return "";
  }
  std::uint64_t Number(const Json& json, const char* name) {
    const Json& number = Member(json, name);
    if (number.is_number_unsigned()) return number.get<std::uint64_t>();
    Fail(name);
    return 0;
  }
  std::uint32_t Number32(const Json& json, const char* name) {
    const std::uint64_t number = Number(json, name);
    if (number > std::numeric_limits<std::uint32_t>::max()) Fail(name);
    return static_cast<std::uint32_t>(number);
  }
  std::string Digest(const Json& json, const char* name) {
    std::string text = Text(json, name);
    const std::optional<Hash128> digest = Hash128::FromHex(text);
    if (!digest || digest->Hex() != text) Fail(name);
    return text;
  }
  void File(const Json& json, proto::FileRecord& to) {
    to.set_path(Text(json, "path"));
    to.set_bytes(Number(json, "bytes"));
    to.set_records(Number(json, "records"));
    to.set_xxh128(Digest(json, "xxh128"));
  }
  void Counters(const Json& json, proto::Manifest& manifest) {
    if (!json.is_object()) return Fail("counters");
    for (const auto& [name, value] : json.items()) {
      if (!value.is_number_unsigned()) return Fail("counters");
      proto::Counter& counter = *manifest.add_counters();
      counter.set_name(name);
      counter.set_value(value.get<std::uint64_t>());
    }
  }
  void Plan(const Json& json, proto::Plan& plan) {
    plan.set_job(Text(json, "job"));
    plan.set_code(Text(json, "code"));
    for (const Json& parameter : List(json, "parameters")) {
      proto::Parameter& to = *plan.add_parameters();
      to.set_name(Text(parameter, "name"));
      to.set_value(Text(parameter, "value"));
    }
    plan.set_date(Text(json, "date"));
    plan.set_parts(Number32(json, "parts"));
    plan.set_compression(Text(json, "compression"));
    if (json.contains("output_format")) plan.set_output_format(Text(json, "output_format"));
    plan.set_directory(Text(json, "directory"));
    for (const Json& input : List(json, "inputs")) {
      proto::PlanInput& to = *plan.add_inputs();
      to.set_name(Text(input, "name"));
      if (input.contains("format")) {
        to.set_format(Text(input, "format"));
        to.set_layout(Digest(input, "layout_xxh128"));
      }
      for (const Json& shard : List(input, "shards")) {
        proto::InputShard& to_shard = *to.add_shards();
        to_shard.set_path(Text(shard, "path"));
        to_shard.set_stored_bytes(Number(shard, "bytes"));
        to_shard.set_xxh128(Digest(shard, "xxh128"));
      }
    }
  }

  std::string bad_member_;
};

// Whether `path` names a file below the output: no "..", no "/x", no "a//b", nothing hidden.
bool StaysInside(std::string_view path) {
  if (path.empty() || path.find('\0') != std::string_view::npos) return false;
  while (true) {
    const std::size_t slash = path.find('/');
    const std::string_view component = path.substr(0, slash);
    if (component.empty() || component.front() == '.') return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

// There is none for the format that is written where nothing is said.
bool KnowsOutputFormat(const proto::Plan& plan) {
  const std::string& name = plan.output_format();
  return name.empty() ||
         (name != OutputFormatName(OutputFormat::kTsv) && ParseOutputFormat(name).ok());
}

// What a well-typed manifest claims that can't be; empty if all fits together.
std::string Contradiction(const proto::Manifest& manifest) {
  const proto::Plan& plan = manifest.plan();
  const Hash128 fingerprint = PlanFingerprint(plan);
  if (manifest.plan_fingerprint() != fingerprint.Hex()) return "plan_xxh128 is another plan's";
  if (manifest.run() != RunId(plan, fingerprint)) return "run is another run's";
  if (plan.compression() != "none" && plan.compression() != "zstd" &&
      plan.compression() != "gzip") {
    return "unknown compression '" + plan.compression() + "'";
  }
  std::set<std::string_view> paths = {kManifestName, kSuccessName};
  if (!KnowsOutputFormat(plan)) return "unknown output format '" + plan.output_format() + "'";
  const auto is_bad = [&paths](const proto::FileRecord& file) {
    return !StaysInside(file.path()) || !paths.insert(file.path()).second;
  };
  if (manifest.rejects().has_file() && is_bad(manifest.rejects().file())) {
    return "bad path '" + manifest.rejects().file().path() + "'";
  }
  for (const proto::FileRecord& file : manifest.files()) {
    if (is_bad(file)) return "bad or repeated path '" + file.path() + "'";
  }
  return "";
}

}  // namespace

Result<std::string> EncodeManifest(const proto::Manifest& manifest) {
  Encoder encoder;
  const Json json = encoder.Encode(manifest);
  if (encoder.bad_text()) {
    return Status::InvalidArgument("the manifest can't hold '", Printable(*encoder.bad_text()),
                                   "', which is not UTF-8; rename it");
  }
  std::string text = json.dump(2) + "\n";
  const std::size_t digits = text.size() - kHashSuffix.size() - kZeros.size();
  text.replace(digits, kZeros.size(), HashAround(text, digits).Hex());
  return text;
}

Result<proto::Manifest> DecodeManifest(std::string_view text, std::string_view path) {
  const auto corrupt = [path](const auto&... what) {
    return Status::Corrupt(path, ": damaged manifest: ", what...,
                           "; run the job again with --force to replace the output");
  };
  if (text.size() < kTrailerBytes ||
      text.substr(text.size() - kTrailerBytes, kHashPrefix.size()) != kHashPrefix ||
      !text.ends_with(kHashSuffix)) {
    return corrupt("it does not end with its hash");
  }
  const std::size_t digits = text.size() - kHashSuffix.size() - kZeros.size();
  if (text.substr(digits, kZeros.size()) != HashAround(text, digits).Hex()) {
    return corrupt("hash mismatch");
  }
  const Json json = Json::parse(text, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return corrupt("not a JSON object");
  if (const auto version = json.find("version");
      version != json.end() && *version > kFormatVersion) {
    return Status::InvalidArgument(path, ": written by a newer version of Millrace; use that one");
  }
  Decoder decoder;
  proto::Manifest manifest = decoder.Decode(json);
  if (!decoder.bad_member().empty()) return corrupt("bad or missing ", decoder.bad_member());
  if (const std::string problem = Contradiction(manifest); !problem.empty()) {
    return corrupt(problem);
  }
  // What is left: unknown or repeated members, another order, other spacing.
  const Result<std::string> again = EncodeManifest(manifest);
  if (!again.ok() || *again != text) return corrupt("not the layout of a manifest");
  return manifest;
}

}  // namespace millrace
