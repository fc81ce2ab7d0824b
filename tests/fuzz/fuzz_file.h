// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_FUZZ_FUZZ_FILE_H_
#define TESTS_FUZZ_FUZZ_FILE_H_

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

/// A claim that no input may break. Ends the process, which is what a fuzzer looks for.
#define FUZZ_CHECK(claim)                                                      \
  do {                                                                         \
    if (!(claim)) {                                                            \
      std::fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #claim); \
      std::abort();                                                            \
    }                                                                          \
  } while (false)

/// One file of this process, written anew for each input, for decoders that read files.
class FuzzFile {
 public:
  explicit FuzzFile(const std::string& name)
      : path_("/tmp/millrace-fuzz-" + std::to_string(::getpid()) + "-" + name) {}
  FuzzFile(const FuzzFile&) = delete;
  FuzzFile& operator=(const FuzzFile&) = delete;
  ~FuzzFile() { std::remove(path_.c_str()); }

  const std::string& Write(const std::uint8_t* data, std::size_t size) {
    std::FILE* const file = std::fopen(path_.c_str(), "wb");
    FUZZ_CHECK(file != nullptr);
    FUZZ_CHECK(size == 0 || std::fwrite(data, 1, size, file) == size);
    FUZZ_CHECK(std::fclose(file) == 0);
    return path_;
  }

 private:
  const std::string path_;
};

#endif  // TESTS_FUZZ_FUZZ_FILE_H_
