// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_MODULE_IMAGE_H_
#define MAPREDUCE_ENGINE_MODULE_IMAGE_H_

// A job module's bytes as memory that nobody can change any more: a memfd with all seals. What is
// checked is what is loaded, whatever becomes of the file meanwhile.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "mapreduce/base/hash.h"
#include "mapreduce/base/status.h"
#include "mapreduce/io/descriptor.h"

namespace millrace {

/// See above. Thread-safe.
class ModuleImage {
 public:
  static constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 30;

  /// Reads a file, once. The memory has its name, for debuggers and /proc. Errors are ReadErrno's,
  /// and kResourceLimit where there is no memory.
  static Result<std::shared_ptr<const ModuleImage>> Read(const std::string& path);
  /// What another process has read. kCorrupt unless it is sealed.
  static Result<std::shared_ptr<const ModuleImage>> Adopt(Descriptor memory, std::string name);
  ModuleImage(const ModuleImage&) = delete;
  ModuleImage& operator=(const ModuleImage&) = delete;
  ~ModuleImage();

  /// As messages say it: Read's path.
  const std::string& name() const { return name_; }
  std::string_view bytes() const { return bytes_; }
  int fd() const { return memory_.get(); }
  /// Cost: goes through the bytes.
  Hash128 Hash() const { return HashOf128(bytes_); }

 private:
  ModuleImage(std::string name, Descriptor memory, std::string_view bytes)
      : name_(std::move(name)), memory_(std::move(memory)), bytes_(bytes) {}

  const std::string name_;
  const Descriptor memory_;
  const std::string_view bytes_;  // Mapped.
};

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_MODULE_IMAGE_H_
