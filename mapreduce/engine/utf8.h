// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_UTF8_H_
#define MAPREDUCE_ENGINE_UTF8_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace {

/// Whether `text` is well-formed UTF-8 (no overlong forms, no surrogates, up to U+10FFFF): what a
/// JSON file, hence the manifest, can hold.
bool IsUtf8(std::string_view text);

/// `text` for a message of one line: control characters, marks that change the direction of text,
/// and bytes that are not UTF-8, as "\xHH" for each byte.
std::string Printable(std::string_view text);

/// `text`, or the whole characters within its first `bytes_max` bytes and "…". What is not UTF-8
/// counts byte by byte.
std::string Shortened(std::string_view text, std::size_t bytes_max);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_UTF8_H_
