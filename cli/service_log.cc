// SPDX-License-Identifier: Apache-2.0
#include "cli/service_log.h"

#include <time.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "cli/console.h"
#include "mapreduce/base/size.h"
#include "mapreduce/engine/utf8.h"
#include "mapreduce/io/log_file.h"

namespace millrace {
namespace {

std::string UtcNow() {
  const time_t now = time(nullptr);
  tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

std::string Line(const std::string& service, const std::string& text) {
  return UtcNow() + " " + service + ": " + Printable(Shortened(text, kLineTextBytesMax)) + "\n";
}

class FileLines {
 public:
  FileLines(std::string service, std::unique_ptr<LogFile> file)
      : service_(std::move(service)), file_(std::move(file)) {}

  void Add(const std::string& text) {
    Status status = lost_ == 0 ? Status::Ok() : file_->Append(Line(service_, LostText()));
    if (status.ok()) {
      lost_ = 0;
      status = file_->Append(Line(service_, text));
    }
    if (status.ok()) return;
    ++lost_;
    why_lost_ = status.message();
  }

 private:
  std::string LostText() const {
    return FormatCount(lost_) + (lost_ == 1 ? " line was" : " lines were") + " lost: " + why_lost_;
  }

  const std::string service_;
  const std::unique_ptr<LogFile> file_;
  std::uint64_t lost_ = 0;
  std::string why_lost_;
};

}  // namespace

Result<LineLog> ServiceLogTo(const std::string& service, const std::string& path) {
  if (path.empty()) {
    return LineLog([service](const std::string& text) { WriteStderr(Line(service, text)); });
  }
  MR_ASSIGN_OR_RETURN(std::unique_ptr<LogFile> file, LogFile::Open(path));
  const auto lines = std::make_shared<FileLines>(service, std::move(file));
  return LineLog([lines](const std::string& text) { lines->Add(text); });
}

Result<LineLog> ServiceLog(const std::string& service, const Arguments& arguments) {
  if (arguments.Has("--log") && arguments.Get("--log").empty())
    return Status::InvalidArgument("--log has no value; name a file: --log /var/log/millrace.log");
  if (!arguments.Has("--log") && arguments.Has("--quiet"))
    return LineLog([](const std::string&) {});
  return ServiceLogTo(service, arguments.Get("--log"));
}

}  // namespace millrace
