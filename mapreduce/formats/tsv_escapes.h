// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_TSV_ESCAPES_H_
#define MAPREDUCE_FORMATS_TSV_ESCAPES_H_

namespace millrace {

/// What \b, \f, \n, \r, \t and \v stand for; any other byte stands for itself.
inline char TsvEscapeMeaning(char letter) {
  switch (letter) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    default:
      return letter;
  }
}

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_TSV_ESCAPES_H_
