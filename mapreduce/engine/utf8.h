// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_UTF8_H_
#define MAPREDUCE_ENGINE_UTF8_H_

#include <string>
#include <string_view>

namespace millrace {

/// Whether `text` is well-formed UTF-8 (no overlong forms, no surrogates, up to U+10FFFF): what a
/// JSON file, hence the manifest, can hold.
bool IsUtf8(std::string_view text);

/// `text` for a message of one line: control characters, and bytes that are not UTF-8, as "\xHH".
std::string Printable(std::string_view text);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_UTF8_H_
