// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_ACCESS_LOG_H_
#define MAPREDUCE_FORMATS_ACCESS_LOG_H_

// Access logs of web servers; see docs/formats/access-log.md for what users are promised. The
// grammar of a line is in access_log_line.h.

#include "mapreduce/formats/file_format.h"

namespace millrace {

/// See file_format.h. All files have the columns of kAccessLogColumns.
const FormatDriver& AccessLogFormat();

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_ACCESS_LOG_H_
