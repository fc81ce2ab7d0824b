// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_SECURITY_KEYS_FOLDER_H_
#define TESTS_UNIT_SECURITY_KEYS_FOLDER_H_

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace millrace {

/// A folder for keys that is gone at the end.
class KeysFolder {
 public:
  KeysFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "millrace-keys-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~KeysFolder() { std::filesystem::remove_all(path_); }
  KeysFolder(const KeysFolder&) = delete;
  KeysFolder& operator=(const KeysFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  /// Written in place, or made; its path.
  std::string Write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    std::ofstream(File(name), std::ios::trunc) << text;
    ::chmod(File(name).c_str(), mode);
    return File(name);
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(File(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string path_;
};

}  // namespace millrace

#endif  // TESTS_UNIT_SECURITY_KEYS_FOLDER_H_
